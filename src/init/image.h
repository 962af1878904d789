// The bytes of the init program, as the library carries them.
#pragma once

#include <cstddef>
#include <string_view>

extern "C" const char cella_init_image[];
extern "C" const char cella_init_image_end[];

namespace cella::init {

inline std::string_view image() {
  return {cella_init_image, static_cast<size_t>(cella_init_image_end - cella_init_image)};
}

}  // namespace cella::init
