// WebP files whose Exif data say that the picture is shown turned: OpenCV turns JPEG, PNG and TIFF, not these.
#pragma once

#include <opencv2/core.hpp>
#include <vector>

// 1 to 8 as Exif counts; 1, as it is stored, for any file that is no WebP or does not say.
int webp_orientation(const std::vector<unsigned char>& bytes);

cv::Mat turned(const cv::Mat& picture, int orientation);
