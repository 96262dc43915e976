#include "results.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <opencv2/imgproc.hpp>
#include <stdexcept>

using nlohmann::json;

namespace {

constexpr float kShown = 0.3f;  // score of a box that is reported

double digits(double value, double scale) { return std::round(value * scale) / scale; }

json classes_of(const Output& output, const std::vector<std::string>& labels) {
  const auto& scores = output.values;
  if (scores.size() != labels.size()) throw std::runtime_error("the network has other classes than the manifest");
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  json top = json::array();
  for (size_t i = 0; i < std::min<size_t>(5, order.size()); ++i)
    top.push_back({{"label", labels[order[i]]}, {"index", order[i]}, {"score", digits(scores[order[i]], 1e6)}});
  return {{"top", top}};
}

json boxes_of(const std::vector<Output>& outputs, const std::vector<std::string>& labels, cv::Size size) {
  if (outputs.size() < 2 || outputs[1].values.empty()) throw std::runtime_error("the network gives no boxes");
  const size_t count = static_cast<size_t>(outputs[1].values[0]);
  if (outputs[0].values.size() < 6 * count) throw std::runtime_error("the network gives fewer boxes than it says");
  std::vector<const float*> rows;
  for (size_t i = 0; i < count; ++i)
    if (outputs[0].values[6 * i + 1] >= kShown) rows.push_back(&outputs[0].values[6 * i]);
  std::stable_sort(rows.begin(), rows.end(), [](const float* a, const float* b) { return a[1] > b[1]; });
  json boxes = json::array();
  for (const float* row : rows) {
    const auto index = static_cast<size_t>(row[0]);
    const json box = {digits(row[2] * size.width, 100), digits(row[3] * size.height, 100),
                      digits(row[4] * size.width, 100), digits(row[5] * size.height, 100)};
    boxes.push_back({{"label", labels.at(index)}, {"index", index}, {"score", digits(row[1], 1e6)}, {"box", box}});
  }
  return {{"boxes", boxes}};
}

cv::Mat mask_of(const Output& output, cv::Size size) {
  const int classes = static_cast<int>(output.shape.at(1)), height = static_cast<int>(output.shape.at(2)),
            width = static_cast<int>(output.shape.at(3));
  const size_t plane = static_cast<size_t>(height) * width;
  cv::Mat mask(height, width, CV_8U), result;
  for (size_t i = 0; i < plane; ++i) {
    int best = 0;
    for (int c = 1; c < classes; ++c)
      if (output.values[c * plane + i] > output.values[best * plane + i]) best = c;
    mask.data[i] = static_cast<uint8_t>(best);
  }
  cv::resize(mask, result, size, 0, 0, cv::INTER_NEAREST);
  return result;
}

cv::Mat alpha_of(const Output& output, cv::Size size) {
  cv::Mat matte(static_cast<int>(output.shape.at(2)), static_cast<int>(output.shape.at(3)), CV_32F), large, result;
  std::transform(output.values.begin(), output.values.begin() + matte.total(), matte.begin<float>(),
                 [](float v) { return std::min(1.0f, std::max(0.0f, v)); });
  cv::resize(matte, large, size, 0, 0, cv::INTER_LINEAR);
  large.convertTo(result, CV_8U, 255);
  return result;
}

// OpenCV's font has ASCII alone: a class whose name has other letters is drawn by its number, and results.json has
// the name.
std::string title_of(const json& row) {
  const std::string label = row.at("label");
  const bool plain = std::all_of(label.begin(), label.end(), [](unsigned char c) { return c < 0x80; });
  char text[32];
  std::snprintf(text, sizeof text, " %.1f %%", 100 * row.at("score").get<double>());
  return (plain ? label : "class " + std::to_string(row.at("index").get<int>())) + text;
}

// Of letters; wide pictures are shown smaller.
int size_on(const cv::Mat& picture) { return std::max(12, picture.cols / 50); }

void write(cv::Mat& picture, const std::string& text, cv::Point place) {
  const int size = size_on(picture);
  cv::putText(picture, text, place, cv::FONT_HERSHEY_SIMPLEX, size / 24.0, cv::Scalar(255, 255, 0),
              std::max(1, size / 14), cv::LINE_AA);
}

// A hue per class, far from its neighbours'.
cv::Vec3b colour_of(int index) {
  cv::Mat one(1, 1, CV_8UC3, cv::Scalar(index * 67 % 180, 200, 230)), rgb;
  cv::cvtColor(one, rgb, cv::COLOR_HSV2RGB);
  return rgb.at<cv::Vec3b>(0, 0);
}

}  // namespace

Result result_of(const std::vector<Output>& outputs, const Manifest& manifest, cv::Size size) {
  if (outputs.empty()) throw std::runtime_error("the network gives no output");
  Result result;
  result.facts = json::object();
  if (manifest.task == "classification") {
    result.facts = classes_of(outputs[0], manifest.labels);
  } else if (manifest.task == "detection") {
    result.facts = boxes_of(outputs, manifest.labels, size);
  } else if (manifest.task == "segmentation") {
    result.map = mask_of(outputs[0], size);
    result.map_name = "mask";
  } else if (manifest.task == "matting") {
    result.map = alpha_of(outputs[0], size);
    result.map_name = "alpha";
  } else {
    throw std::runtime_error("the task '" + manifest.task + "' is not known to this client");
  }
  return result;
}

cv::Mat draw(const cv::Mat& picture, const Result& result) {
  cv::Mat drawn = picture.clone();
  if (!result.map.empty()) {
    const cv::Vec3b plain(0, 160, 80);  // the background of a cut-out
    const bool matte = result.map_name == "alpha";
    for (int y = 0; y < drawn.rows; ++y)
      for (int x = 0; x < drawn.cols; ++x) {
        const uint8_t value = result.map.at<uint8_t>(y, x);
        const double share = matte ? value / 255.0 : value ? 0.45 : 1.0;  // class 0 stays clear
        const cv::Vec3b other = matte ? plain : colour_of(value);
        auto& pixel = drawn.at<cv::Vec3b>(y, x);
        for (int c = 0; c < 3; ++c)
          pixel[c] = cv::saturate_cast<uint8_t>(share * pixel[c] + (1 - share) * other[c]);
      }
  }
  const int size = size_on(drawn);
  for (const auto& row : result.facts.value("boxes", json::array())) {
    const auto box = row.at("box").get<std::vector<double>>();
    const cv::Point low(cvRound(box[0]), cvRound(box[1])), high(cvRound(box[2]), cvRound(box[3]));
    cv::rectangle(drawn, low, high, cv::Scalar(255, 255, 0), std::max(2, size / 7));
    write(drawn, title_of(row), {low.x, std::max(size, low.y - 4)});
  }
  if (result.facts.contains("top")) {
    write(drawn, title_of(result.facts.at("top").at(0)), {4, 3 * size / 2});
  }
  return drawn;
}
