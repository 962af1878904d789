// What docs/oci.md says about the fields of config.json, beside what the tables of spec_schema.cc say themselves. Not
// linked into anything but the generator (document.h), which has a test that each field has a note and each note a
// field.
#pragma once

#include <span>
#include <string_view>

namespace cella::oci {

struct Note {
  std::string_view pointer;  // "*" stands for the elements of a list or a map; a struct's first place stands for all
  std::string_view since;    // version of the specification; "" with an object: see its fields
  std::string_view text;     // limits, and what cella does with it
};
std::span<const Note> notes();

}  // namespace cella::oci
