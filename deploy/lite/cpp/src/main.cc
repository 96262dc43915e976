// Runs a Paddle Lite export on a picture or a folder of pictures, and times it.
//   lite_client --model_dir DIR --image FILE|DIR --save_dir DIR [--threads 1] [--power_mode high]
//               [--trimap FILE|DIR] [--warmup 5 --repeats 20] [--dump_input FILE]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include <dirent.h>
#include <sys/stat.h>

#include "manifest.h"
#include "orientation.h"
#include "preprocess.h"
#include "results.h"
#include "runner.h"

namespace {

using Options = std::map<std::string, std::string>;
const Options kUsual = {{"model_dir", ""},   {"image", ""},   {"save_dir", ""}, {"threads", "1"}, {"power_mode", "high"},
                        {"warmup", "5"}, {"repeats", "0"}, {"dump_input", ""}, {"trimap", ""}};

Options parse(int count, char** words) {
  Options options = kUsual;
  for (int i = 1; i < count; i += 2) {
    const std::string word = words[i];
    const std::string name = word.substr(0, 2) == "--" ? word.substr(2) : "";
    if (!kUsual.count(name) || i + 1 >= count) throw std::runtime_error("'" + word + "' is not known, or has no value");
    options[name] = words[i + 1];
  }
  for (const char* name : {"model_dir", "image", "save_dir"})
    if (options[name].empty()) throw std::runtime_error(std::string("--") + name + " is missing");
  return options;
}

int whole(const Options& options, const std::string& name, int least, int most = 1000000) {
  int value = least - 1;
  try {
    value = std::stoi(options.at(name));
  } catch (const std::exception&) {
  }
  if (value < least || value > most)
    throw std::runtime_error("--" + name + ": '" + options.at(name) + "' must be " + std::to_string(least) +
                             " or more, up to " + std::to_string(most));
  return value;
}

bool is_folder(const std::string& path) {
  struct stat facts;
  return stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

std::string stem_of(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return name.substr(0, name.rfind('.'));
}

// The picture, or those directly inside the folder, by name.
std::vector<std::string> pictures(const std::string& path) {
  if (!is_folder(path)) return {path};
  std::vector<std::string> found;
  DIR* folder = opendir(path.c_str());
  while (const dirent* entry = folder ? readdir(folder) : nullptr) {
    std::string name = entry->d_name, ending = name.substr(std::min(name.rfind('.'), name.size()));
    std::transform(ending.begin(), ending.end(), ending.begin(), ::tolower);
    for (const char* known : {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
      if (ending == known) found.push_back(path + "/" + name);
  }
  if (folder) closedir(folder);
  if (found.empty()) throw std::runtime_error("--image: '" + path + "' has no pictures");
  std::sort(found.begin(), found.end());
  return found;
}

// RGB, 8 bits.
cv::Mat read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<unsigned char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  cv::Mat picture;
  const int orientation = webp_orientation(bytes);
  const int flags = orientation == 1 ? cv::IMREAD_COLOR : cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION;
  try {
    if (!bytes.empty()) picture = cv::imdecode(bytes, flags);
  } catch (const cv::Exception&) {  // more pixels than OpenCV takes
  }
  if (picture.empty()) throw std::runtime_error("'" + path + "' is not a readable picture");
  cv::cvtColor(picture, picture, cv::COLOR_BGR2RGB);
  return turned(picture, orientation);
}

// The trimap of a picture, the file or the one of its name in the folder: CV_32F of 0, 0.5 (unknown) and 1.
cv::Mat trimap_of(const std::string& place, const std::string& path, const cv::Mat& picture) {
  cv::Mat grey, trimap;
  for (const std::string& file : is_folder(place) ? pictures(place) : std::vector<std::string>{place})
    if (grey.empty() && (file == place || stem_of(file) == stem_of(path))) grey = cv::imread(file, cv::IMREAD_GRAYSCALE);
  if (grey.size() != picture.size())
    throw std::runtime_error("--trimap: '" + place + "' has no readable trimap of " + std::to_string(picture.cols) + "x" +
                             std::to_string(picture.rows) + " for '" + path + "'");
  trimap = cv::Mat(grey.size(), CV_32F, cv::Scalar(0.5));
  trimap.setTo(0, grey <= 5);
  trimap.setTo(1, grey >= 250);
  return trimap;
}

double now_ms() {
  using namespace std::chrono;  // NOLINT
  return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

void time_it(Runner& runner, const std::vector<float>& image, const Manifest& manifest, int warmup, int repeats) {
  std::vector<double> times;
  for (int i = 0; i < warmup + repeats; ++i) {
    const double start = now_ms();
    runner.run(image, manifest.shape);
    if (i >= warmup) times.push_back(now_ms() - start);
  }
  std::sort(times.begin(), times.end());
  std::printf("latency: median %.3f ms, least %.3f, most %.3f, %d runs\n", times[times.size() / 2], times.front(),
              times.back(), repeats);
}

// The name of what is drawn of a picture: its own without the ending, unless another one has the same.
std::string unlike(const std::string& path, const std::vector<std::string>& files) {
  const std::string stem = stem_of(path);
  const auto same = std::count_if(files.begin(), files.end(), [&](const std::string& p) { return stem_of(p) == stem; });
  return same == 1 ? stem : path.substr(path.rfind('/') + 1);
}

// The drawings must not replace the pictures.
void refuse_sources(const std::string& save_dir, const std::vector<std::string>& files) {
  struct stat target, source;
  if (stat(save_dir.c_str(), &target) != 0) return;
  for (const std::string& path : files) {
    const size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    if (stat(folder.c_str(), &source) == 0 && source.st_dev == target.st_dev && source.st_ino == target.st_ino)
      throw std::runtime_error("--save_dir: '" + save_dir + "' holds the input itself; choose another folder");
  }
}

void run(const Options& options) {
  const Manifest manifest = read_manifest(options.at("model_dir"));
  const int repeats = whole(options, "repeats", 0), warmup = whole(options, "warmup", 0);
  Runner runner(manifest.model_file, whole(options, "threads", 1, 1024), options.at("power_mode"));
  const std::string save_dir = options.at("save_dir");
  mkdir(save_dir.c_str(), 0777);
  const std::vector<std::string> files = pictures(options.at("image"));
  refuse_sources(save_dir, files);
  nlohmann::json results = nlohmann::json::object();
  std::vector<float> image;
  for (const std::string& path : files) {
    const cv::Mat picture = read(path);
    const std::string& place = options.at("trimap");
    image = preprocess(picture, place.empty() ? cv::Mat() : trimap_of(place, path, picture), manifest.transforms,
                       manifest.shape);
    if (!options.at("dump_input").empty())
      std::ofstream(options.at("dump_input"), std::ios::binary)
          .write(reinterpret_cast<const char*>(image.data()), static_cast<std::streamsize>(4 * image.size()));
    Result result = result_of(runner.run(image, manifest.shape), manifest, picture.size());
    const std::string name = path.substr(path.rfind('/') + 1), stem = unlike(path, files);
    cv::Mat drawn;
    cv::cvtColor(draw(picture, result), drawn, cv::COLOR_RGB2BGR);
    bool written = cv::imwrite(save_dir + "/" + stem + ".png", drawn);
    if (!result.map.empty()) {
      result.facts[result.map_name] = stem + "_" + result.map_name + ".png";
      written = written && cv::imwrite(save_dir + "/" + stem + "_" + result.map_name + ".png", result.map);
    }
    if (!written) throw std::runtime_error("--save_dir: '" + save_dir + "' cannot be written to");
    results[name] = result.facts;
  }
  std::ofstream(save_dir + "/results.json") << results.dump(1) << "\n";
  std::printf("%zu pictures in %s\n", results.size(), save_dir.c_str());
  if (repeats) time_it(runner, image, manifest, warmup, repeats);
}

}  // namespace

int main(int count, char** words) {
  try {
    run(parse(count, words));
  } catch (const std::exception& error) {
    std::cerr << "lite_client: " << error.what() << "\n";
    return 2;
  }
  return 0;
}
