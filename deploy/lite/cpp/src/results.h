// What the outputs say of a picture, as JSON and as a drawing.
#pragma once

#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "manifest.h"
#include "runner.h"

struct Result {
  nlohmann::json facts;  // {"top": [...]}, {"boxes": [...]}, or empty
  cv::Mat map;           // 8 bits, of the picture's size: classes of a segmentation, alphas of a matting
  std::string map_name;  // "mask", "alpha" or ""
};

// Throws std::runtime_error for a task that is unknown or outputs that do not fit.
Result result_of(const std::vector<Output>& outputs, const Manifest& manifest, cv::Size size);

// RGB of the picture's size.
cv::Mat draw(const cv::Mat& picture, const Result& result);
