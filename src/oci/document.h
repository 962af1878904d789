// docs/oci.md, from the tables of spec_schema.cc and the notes about their fields. Compiled with CELLA_JSON_SHAPES.
#pragma once

#include <string>
#include <vector>

namespace cella::oci {

struct Document {
  std::string text;
  std::vector<std::string> without_note;   // pointers of fields
  std::vector<std::string> without_field;  // pointers of notes
};
Document document_of_spec();

}  // namespace cella::oci
