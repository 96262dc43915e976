// The part of Paddle Lite 2.13's C++ interface that the client calls, laid out in memory as in the library
// of the Python wheel (`paddlelite/lite.so`, 2.13rc0, x86-64), which comes without headers. For tests alone: a
// program compiled with it and linked with that library runs Paddle Lite. Functions that are not called are
// there for their places in the table of virtual functions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#define PRECISION(item) paddle::lite_api::PrecisionType::item

namespace paddle {
namespace lite_api {

using shape_t = std::vector<int64_t>;
enum class TargetType : int { kHost = 1 };
enum class PrecisionType : int { kFloat = 1, kInt32 = 3, kInt64 = 7 };
typedef enum {
  LITE_POWER_HIGH = 0,
  LITE_POWER_LOW = 1,
  LITE_POWER_FULL = 2,
  LITE_POWER_NO_BIND = 3,
  LITE_POWER_RAND_HIGH = 4,
  LITE_POWER_RAND_LOW = 5
} PowerMode;

struct Tensor {
  void Resize(const shape_t& shape);
  template <typename T>
  const T* data() const;
  template <typename T>
  T* mutable_data(TargetType type = TargetType::kHost) const;
  shape_t shape() const;
  PrecisionType precision() const;

 private:
  void* raw_tensor_;
};

class PaddlePredictor {
 public:
  virtual std::unique_ptr<Tensor> GetInput(int i) = 0;
  virtual std::unique_ptr<const Tensor> GetOutput(int i) const = 0;
  virtual void Run() = 0;
  virtual void Clone() = 0;
  virtual void CloneOf(const std::vector<std::string>& names) = 0;
  virtual std::string GetVersion() const = 0;
  virtual std::vector<std::string> GetInputNames() = 0;
  virtual std::vector<std::string> GetOutputNames() = 0;

 protected:
  ~PaddlePredictor() = default;  // the library deletes what it made
};

class ConfigBase {
 public:
  explicit ConfigBase(PowerMode mode = LITE_POWER_NO_BIND, int threads = 1);
  ~ConfigBase();
  void set_threads(int threads);
  void set_power_mode(PowerMode mode);

 private:
  alignas(8) char fields_[0x210];
};

class MobileConfig : public ConfigBase {
 public:
  void set_model_from_file(const std::string& path);

 private:
  bool from_memory_ = false;
  int precision_mode_ = 0;
  std::string file_;
  const char* buffer_ = nullptr;
  uint64_t buffer_size_ = 0;
  std::string model_buffer_;
  std::string params_buffer_;
};

template <typename ConfigT>
std::shared_ptr<PaddlePredictor> CreatePaddlePredictor(const ConfigT&);

}  // namespace lite_api
}  // namespace paddle
