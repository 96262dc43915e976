// SHA-256 of a file's bytes (FIPS 180-4), in hexadecimal.
#pragma once

#include <string>
#include <vector>

std::string sha256(const std::vector<char>& bytes);
