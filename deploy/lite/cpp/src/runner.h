// The network in Paddle Lite's runtime.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace paddle {
namespace lite_api {
class PaddlePredictor;
}
}  // namespace paddle

struct Output {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

class Runner {
 public:
  // `power_mode`: high, low, full, none (no binding to cores), rand_high or rand_low. Throws
  // std::runtime_error for another one, or a file that cannot be loaded.
  Runner(const std::string& model_file, int threads, const std::string& power_mode);
  // All outputs for one image [1, 3, height, width]; whole numbers become floats.
  std::vector<Output> run(const std::vector<float>& image, const std::vector<int64_t>& shape);

 private:
  std::shared_ptr<paddle::lite_api::PaddlePredictor> predictor_;
};
