// From a picture to what the network takes, step by step as the manifest says.
#pragma once

#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <vector>

// RGB, 8 bits -> float32, channels first: [3, height, width], or 4 with the trimap (CV_32F of 0, 0.5 and 1; empty where
// there is none). Steps: Resize, ResizeByShort, CenterCrop, Normalize, TrimapChannel. Throws std::runtime_error for a step
// that is unknown, a trimap that is missing, or a result that is not of `shape`, [1, 3 or 4, height, width].
std::vector<float> preprocess(const cv::Mat& picture, const cv::Mat& trimap, const nlohmann::json& transforms,
                              const std::vector<int64_t>& shape);
