#include "manifest.h"

#include <fstream>
#include <iterator>
#include <stdexcept>

#include "sha256.h"

#if defined(__x86_64__) || defined(__i386__)
static const char kTarget[] = "x86";
#else
static const char kTarget[] = "arm";
#endif

// The runtime crashes on a file that is damaged, or of another processor: it must be the manifest's.
static void check_model(const std::string& path, const nlohmann::json& facts) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("'" + path + "' cannot be read; copy it there, or export again");
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (bytes.size() != facts.at("size_bytes").get<size_t>() || sha256(bytes) != facts.at("sha256"))
    throw std::runtime_error("'" + path + "' is not the file that the manifest is of; copy both again");
}

Manifest read_manifest(const std::string& folder) {
  const std::string path = folder + "/manifest.json";
  std::ifstream file(path);
  if (!file) throw std::runtime_error("'" + path + "' cannot be read; pass the --save_dir of tools/export.py");
  Manifest manifest;
  try {
    const auto raw = nlohmann::json::parse(file);
    if (raw.at("export") != "lite")
      throw std::runtime_error("'" + folder + "' is no export of format lite; use tools/export.py --format lite");
    manifest.task = raw.at("task");
    manifest.labels = raw.at("labels").get<std::vector<std::string>>();
    manifest.shape = raw.at("input").at("shape").get<std::vector<int64_t>>();
    manifest.transforms = raw.at("transforms");
    const std::string name = std::string("model_") + kTarget + ".nb";
    if (!raw.at("files").contains(name))
      throw std::runtime_error("'" + folder + "' has no " + name + "; export again with --targets " + kTarget);
    manifest.model_file = folder + "/" + name;
    check_model(manifest.model_file, raw.at("files").at(name));
  } catch (const nlohmann::json::exception& error) {
    throw std::runtime_error("'" + path + "' is damaged (" + error.what() + "); export again");
  }
  if (manifest.shape.size() != 4 || manifest.shape[0] != 1 || manifest.shape[1] < 3 ||
      manifest.shape[1] > 4)
    throw std::runtime_error("'" + path + "': the input must be [1, 3, height, width], or 4 with a trimap");
  return manifest;
}
