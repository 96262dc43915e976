#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "paddle_api.h"

namespace paddle {
namespace lite_api {

void Tensor::Resize(const shape_t& shape) {
  shape_ = shape;
  size_t size = 1;
  for (const int64_t n : shape) size *= static_cast<size_t>(n);
  floats_->resize(size);
}

template <>
const float* Tensor::data<float>() const { return floats_->data(); }
template <>
const int* Tensor::data<int>() const { return ints_->data(); }
template <>
const int64_t* Tensor::data<int64_t>() const { throw std::logic_error("the stub has no int64"); }
template <>
float* Tensor::mutable_data<float>() const { return floats_->data(); }

std::unique_ptr<Tensor> PaddlePredictor::GetInput(int) { return std::unique_ptr<Tensor>(new Tensor(input_)); }

std::unique_ptr<const Tensor> PaddlePredictor::GetOutput(int i) const {
  return std::unique_ptr<const Tensor>(new Tensor(outputs_.at(static_cast<size_t>(i))));
}

void PaddlePredictor::Run() {
  outputs_.clear();
  std::ifstream file(std::getenv("LITE_STUB_OUTPUTS"));
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    char kind;
    size_t axes;
    words >> kind >> axes;
    Tensor tensor;
    tensor.shape_.resize(axes);
    for (auto& n : tensor.shape_) words >> n;
    if (kind == 'i') tensor.precision_ = PrecisionType::kInt32;
    for (double value; words >> value;) {
      tensor.floats_->push_back(static_cast<float>(value));
      tensor.ints_->push_back(static_cast<int>(value));
    }
    outputs_.push_back(tensor);
  }
}

std::vector<std::string> PaddlePredictor::GetOutputNames() { return std::vector<std::string>(outputs_.size()); }

void MobileConfig::set_model_from_file(const std::string&) {}
void MobileConfig::set_threads(int) {}
void MobileConfig::set_power_mode(PowerMode) {}

template <>
std::shared_ptr<PaddlePredictor> CreatePaddlePredictor<MobileConfig>(const MobileConfig&) {
  return std::make_shared<PaddlePredictor>();
}

}  // namespace lite_api
}  // namespace paddle
