// own_files.h: where the files lie that the program brings with it (experiments, published numbers): in the working folder,
// in the checkout it was built in, or where it was installed.
#pragma once

#include <filesystem>
#include <string>

namespace espalier {

/// `relative` (such as "configs/reproduce") as it can be opened: that of the working folder if it is there, else that of
/// the checkout whose build/PRESET/ the program lies in, else that of PREFIX/share/espalier. As given if it is nowhere.
std::filesystem::path own_files(const std::string& relative);

}  // namespace espalier
