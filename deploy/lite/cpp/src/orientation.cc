#include "orientation.h"

#include <cstdint>
#include <cstring>
#include <string>

namespace {

// A number of `size` bytes; 0 behind the end of the data.
uint32_t number(const std::vector<unsigned char>& bytes, size_t place, size_t size, bool little) {
  uint32_t value = 0;
  if (place + size > bytes.size()) return 0;
  for (size_t i = 0; i < size; ++i)
    value = value << 8 | bytes[place + (little ? size - 1 - i : i)];
  return value;
}

bool says(const std::vector<unsigned char>& bytes, size_t place, const char* text) {
  const size_t size = std::strlen(text);
  return place + size <= bytes.size() && std::memcmp(bytes.data() + place, text, size) == 0;
}

// Of the TIFF structure that begins at `start`.
int orientation_in(const std::vector<unsigned char>& bytes, size_t start) {
  const bool little = says(bytes, start, "II");
  if (!little && !says(bytes, start, "MM")) return 1;
  const size_t first = start + number(bytes, start + 4, 4, little);
  const uint32_t entries = number(bytes, first, 2, little);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = first + 2 + 12 * static_cast<size_t>(i);
    if (number(bytes, entry, 2, little) != 0x0112) continue;
    const uint32_t value = number(bytes, entry + 8, 2, little);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace

int webp_orientation(const std::vector<unsigned char>& bytes) {
  if (!says(bytes, 0, "RIFF") || !says(bytes, 8, "WEBP")) return 1;
  for (size_t chunk = 12; chunk + 8 <= bytes.size();) {
    const size_t data = chunk + 8, size = number(bytes, chunk + 4, 4, true);
    if (says(bytes, chunk, "EXIF")) return orientation_in(bytes, says(bytes, data, "Exif") ? data + 6 : data);
    chunk = data + size + size % 2;
  }
  return 1;
}

cv::Mat turned(const cv::Mat& picture, int orientation) {
  cv::Mat result = picture;
  if (orientation >= 5) cv::transpose(picture, result);
  const bool rows = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const bool columns = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  if (rows || columns) {
    cv::Mat flipped;
    cv::flip(result, flipped, rows && columns ? -1 : columns ? 1 : 0);
    return flipped;
  }
  return result;
}
