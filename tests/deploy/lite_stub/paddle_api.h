// The part of Paddle Lite's C++ interface that the client calls, so that it compiles where Paddle Lite's
// library is not. Outputs come from the text file in $LITE_STUB_OUTPUTS: a line an output, `f` or `i`, the
// number of axes, their lengths, the values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#define PRECISION(item) paddle::lite_api::PrecisionType::item

namespace paddle {
namespace lite_api {

using shape_t = std::vector<int64_t>;
enum class PrecisionType { kFloat = 1, kInt32 = 3, kInt64 = 8 };
enum PowerMode {
  LITE_POWER_HIGH = 0,
  LITE_POWER_LOW = 1,
  LITE_POWER_FULL = 2,
  LITE_POWER_NO_BIND = 3,
  LITE_POWER_RAND_HIGH = 4,
  LITE_POWER_RAND_LOW = 5
};

struct Tensor {
  void Resize(const shape_t& shape);
  template <typename T>
  const T* data() const;
  template <typename T>
  T* mutable_data() const;
  shape_t shape() const { return shape_; }
  PrecisionType precision() const { return precision_; }

  shape_t shape_;
  PrecisionType precision_ = PrecisionType::kFloat;
  std::shared_ptr<std::vector<float>> floats_ = std::make_shared<std::vector<float>>();
  std::shared_ptr<std::vector<int>> ints_ = std::make_shared<std::vector<int>>();
};

class PaddlePredictor {
 public:
  std::unique_ptr<Tensor> GetInput(int i);
  std::unique_ptr<const Tensor> GetOutput(int i) const;
  void Run();
  std::vector<std::string> GetOutputNames();

 private:
  Tensor input_;
  std::vector<Tensor> outputs_;
};

class MobileConfig {
 public:
  void set_model_from_file(const std::string& path);
  void set_threads(int threads);
  void set_power_mode(PowerMode mode);
};

template <typename ConfigT>
std::shared_ptr<PaddlePredictor> CreatePaddlePredictor(const ConfigT&);

}  // namespace lite_api
}  // namespace paddle
