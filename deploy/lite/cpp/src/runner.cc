#include "runner.h"

#include <paddle_api.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <stdexcept>

using namespace paddle::lite_api;  // NOLINT

Runner::Runner(const std::string& model_file, int threads, const std::string& power_mode) {
  const std::map<std::string, PowerMode> modes = {
      {"high", LITE_POWER_HIGH},    {"low", LITE_POWER_LOW},
      {"full", LITE_POWER_FULL},    {"none", LITE_POWER_NO_BIND},
      {"rand_high", LITE_POWER_RAND_HIGH}, {"rand_low", LITE_POWER_RAND_LOW}};
  const auto mode = modes.find(power_mode);
  if (mode == modes.end())
    throw std::runtime_error("--power_mode: '" + power_mode + "' is not known; valid: high, low, full, none, "
                             "rand_high, rand_low");
  if (!std::ifstream(model_file)) throw std::runtime_error("'" + model_file + "' cannot be read; export again");
  MobileConfig config;
  config.set_model_from_file(model_file);
  config.set_threads(threads);
  config.set_power_mode(mode->second);
  predictor_ = CreatePaddlePredictor<MobileConfig>(config);
  if (!predictor_) throw std::runtime_error("Paddle Lite cannot load '" + model_file + "'; export again");
}

std::vector<Output> Runner::run(const std::vector<float>& image, const std::vector<int64_t>& shape) {
  auto input = predictor_->GetInput(0);
  input->Resize(shape);
  std::copy(image.begin(), image.end(), input->mutable_data<float>());
  predictor_->Run();
  std::vector<Output> outputs;
  const int count = static_cast<int>(predictor_->GetOutputNames().size());
  for (int i = 0; i < count; ++i) {
    const auto tensor = predictor_->GetOutput(i);
    Output output;
    output.shape = tensor->shape();
    size_t size = 1;
    for (const int64_t n : output.shape) size *= static_cast<size_t>(n);
    switch (tensor->precision()) {
      case PRECISION(kInt32): {
        const int* data = tensor->data<int>();
        output.values.assign(data, data + size);
        break;
      }
      case PRECISION(kInt64): {
        const int64_t* data = tensor->data<int64_t>();
        output.values.assign(data, data + size);
        break;
      }
      default: {
        const float* data = tensor->data<float>();
        output.values.assign(data, data + size);
      }
    }
    outputs.push_back(output);
  }
  return outputs;
}
