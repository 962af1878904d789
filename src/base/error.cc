#include <cella/error.h>

#include <cctype>

namespace cella {

std::string errno_text(int errno_value) {
  char buffer[128];
  std::string text = strerror_r(errno_value, buffer, sizeof buffer);
  // "Is a directory" becomes "is a directory"; "RFS specific error" keeps its capitals.
  if (text.size() > 1 && !isupper(static_cast<unsigned char>(text[1]))) {
    text[0] = static_cast<char>(tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

std::string Error::text() const {
  std::string out;
  auto append = [&](std::string_view part) {
    if (part.empty()) return;
    if (!out.empty()) out += ": ";
    out += part;
  };
  for (auto link = context.rbegin(); link != context.rend(); ++link) append(*link);
  append(message);
  if (errno_value != 0) append(errno_text(errno_value));
  return out;
}

}  // namespace cella
