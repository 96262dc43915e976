// From a picture to what the network takes, step by step as the manifest says.
#pragma once

#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <vector>

// RGB, 8 bits -> float32, channels first: [3, height, width]. Steps: Resize, ResizeByShort, CenterCrop,
// Normalize. Throws std::runtime_error for a step that is unknown, or a result that is not `height` x `width`.
std::vector<float> preprocess(const cv::Mat& picture, const nlohmann::json& transforms, int height, int width);
