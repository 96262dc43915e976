// manifest.json of tools/export.py: all that the client knows of the model.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

struct Manifest {
  std::string task;                 // classification, detection, segmentation or matting
  std::vector<std::string> labels;  // none for matting
  std::vector<int64_t> shape;       // 1, 3 or 4, height, width
  nlohmann::json transforms;        // a list of steps, see preprocess.h
  std::string model_file;           // path of the .nb file for this processor
};

// Reads `folder`/manifest.json. Throws std::runtime_error with one line that says what is wrong.
Manifest read_manifest(const std::string& folder);
