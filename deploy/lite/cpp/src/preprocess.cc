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
  cv::resize(image, result, cv::Size(width, height), 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
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

}  // namespace

std::vector<float> preprocess(const cv::Mat& picture, const json& transforms, int height, int width) {
  cv::Mat image = picture;
  for (const json& step : transforms) {
    const std::string name = step.is_string() ? step.get<std::string>() : step.begin().key();
    const json arguments = step.is_string() ? json::object() : step.begin().value();
    if (name == "Resize") {
      image = resize(image, arguments);
    } else if (name == "ResizeByShort") {
      image = resize_by_short(image, arguments);
    } else if (name == "CenterCrop") {
      image = center_crop(image, arguments);
    } else if (name == "Normalize") {
      image = normalize(image, arguments);
    } else {
      throw std::runtime_error("the manifest asks for '" + name + "', which this client does not know");
    }
  }
  if (image.type() != CV_32FC3) image.convertTo(image, CV_32FC3);
  if (image.rows != height || image.cols != width)
    throw std::runtime_error("the manifest's transforms make " + std::to_string(image.cols) + "x" +
                             std::to_string(image.rows) + ", the network takes " + std::to_string(width) + "x" +
                             std::to_string(height));
  std::vector<float> tensor(3 * static_cast<size_t>(height) * width);
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        tensor[(static_cast<size_t>(c) * height + y) * width + x] = image.at<cv::Vec3f>(y, x)[c];
  return tensor;
}
