#include "preprocess.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <stdexcept>
#include <string>

using nlohmann::json;

namespace {

// Half to even, as Python's round.
int rounded(double value) { return static_cast<int>(std::nearbyint(value)); }

cv::Mat resized(const cv::Mat& image, int width, int height) {
  const bool shrinks = static_cast<int64_t>(width) * height < static_cast<int64_t>(image.rows) * image.cols;
  cv::Mat result;
  const int smooth = shrinks ? cv::INTER_AREA : cv::INTER_LINEAR;
  cv::resize(image, result, cv::Size(width, height), 0, 0, image.channels() == 1 ? cv::INTER_NEAREST : smooth);
  return result;
}

cv::Mat resize(const cv::Mat& image, const json& arguments) {
  const json& size = arguments.at("size");
  if (size.is_array()) return resized(image, size.at(1), size.at(0));  // height, width
  return resized(image, size, size);
}

cv::Mat resize_by_short(const cv::Mat& image, const json& arguments) {
  const int size = arguments.at("size");
  const double scale = size / static_cast<double>(std::min(image.rows, image.cols));
  return resized(image, std::max(size, rounded(image.cols * scale)), std::max(size, rounded(image.rows * scale)));
}

cv::Mat center_crop(const cv::Mat& image, const json& arguments) {
  const int size = arguments.at("size");
  if (std::min(image.rows, image.cols) < size)
    throw std::runtime_error("CenterCrop: " + std::to_string(size) + " is larger than the picture");
  return image(cv::Rect((image.cols - size) / 2, (image.rows - size) / 2, size, size)).clone();
}

cv::Mat normalize(const cv::Mat& image, const json& arguments) {
  const auto mean = arguments.value("mean", std::vector<float>{0.485f, 0.456f, 0.406f});
  const auto deviation = arguments.value("std", std::vector<float>{0.229f, 0.224f, 0.225f});
  cv::Mat result(image.size(), CV_32FC3);
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x) {
      const auto& pixel = image.at<cv::Vec3b>(y, x);
      for (int c = 0; c < 3; ++c)
        result.at<cv::Vec3f>(y, x)[c] = (pixel[c] / 255.0f - mean.at(c)) / deviation.at(c);
    }
  }
  return result;
}

// A step that moves pixels, of a picture or of its trimap.
cv::Mat moved(const cv::Mat& image, const std::string& name, const json& arguments) {
  if (name == "Resize") return resize(image, arguments);
  if (name == "ResizeByShort") return resize_by_short(image, arguments);
  if (name == "CenterCrop") return center_crop(image, arguments);
  throw std::runtime_error("the manifest asks for '" + name + "', which this client does not know");
}

}  // namespace

std::vector<float> preprocess(const cv::Mat& picture, const cv::Mat& given, const json& transforms,
                              const std::vector<int64_t>& shape) {
  const int height = static_cast<int>(shape.at(2)), width = static_cast<int>(shape.at(3));
  cv::Mat image = picture, trimap = given;
  bool beside = false;  // the trimap is a channel of the input
  for (const json& step : transforms) {
    const std::string name = step.is_string() ? step.get<std::string>() : step.begin().key();
    const json arguments = step.is_string() ? json::object() : step.begin().value();
    if (name == "TrimapChannel") {
      if (trimap.empty())
        throw std::runtime_error("the model takes a trimap; give a grey picture of it with --trimap");
      beside = true;
    } else if (name == "Normalize") {
      image = normalize(image, arguments);
    } else {
      image = moved(image, name, arguments);
      if (!trimap.empty()) trimap = moved(trimap, name, arguments);
    }
  }
  if (!trimap.empty() && !beside) throw std::runtime_error("--trimap: this model takes none; leave it out");
  if (image.type() != CV_32FC3) image.convertTo(image, CV_32FC3);
  if (image.rows != height || image.cols != width)
    throw std::runtime_error("the manifest's transforms make " + std::to_string(image.cols) + "x" +
                             std::to_string(image.rows) + ", the network takes " + std::to_string(width) + "x" +
                             std::to_string(height));
  if (shape.at(1) != (beside ? 4 : 3))
    throw std::runtime_error("the network takes " + std::to_string(shape.at(1)) +
                             " channels, the manifest's transforms make others");
  const size_t plane = static_cast<size_t>(height) * width;
  std::vector<float> tensor((beside ? 4 : 3) * plane);
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        tensor[c * plane + static_cast<size_t>(y) * width + x] = image.at<cv::Vec3f>(y, x)[c];
  for (int y = 0; beside && y < height; ++y)
    std::copy_n(trimap.ptr<float>(y), width, tensor.begin() + static_cast<std::ptrdiff_t>(3 * plane) + y * width);
  return tensor;
}
