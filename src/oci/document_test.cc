// docs/oci.md is what the tables say. CELLA_UPDATE_GOLDEN=1 (tools/make-docs) rewrites it.
#include "oci/document.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "oci/notes.h"

namespace cella::oci {
namespace {

constexpr const char* kPath = "../../docs/oci.md";

TEST(Document, IsAsRecorded) {
  const Document document = document_of_spec();
  if (std::getenv("CELLA_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(kPath, std::ios::binary) << document.text;
    return;
  }
  std::ifstream file(kPath, std::ios::binary);
  std::stringstream recorded;
  recorded << file.rdbuf();
  EXPECT_TRUE(recorded.str() == document.text) << kPath << " is out of date; tools/make-docs rewrites it";
}

TEST(Document, EachFieldHasANoteAndEachNoteAField) {
  const Document document = document_of_spec();
  EXPECT_EQ(document.without_note, std::vector<std::string>());
  EXPECT_EQ(document.without_field, std::vector<std::string>());
  EXPECT_GT(notes().size(), 150u);
}

TEST(Document, NotesFitATable) {
  for (const Note& note : notes()) {
    EXPECT_EQ(note.text.find_first_of("|\n"), std::string_view::npos) << note.pointer;
    EXPECT_TRUE(note.text.empty() || note.text.ends_with('.')) << note.pointer;
    EXPECT_TRUE(note.since.starts_with("1.")) << note.pointer;
  }
}

}  // namespace
}  // namespace cella::oci
