// OciState as JSON, as runc prints it.
#include "json/writer.h"

#include <cella/container.h>

namespace cella {
namespace {

void write(json::Writer& writer, const OciState& state) {
  auto text = [&](const char* key, const std::string& value) {
    writer.key(key);
    writer.string(value);
  };
  writer.begin_object();
  text("ociVersion", state.oci_version);
  text("id", state.id);
  writer.key("pid");
  writer.integer(state.pid);
  text("status", status_name(state.status));
  text("bundle", state.bundle);
  text("rootfs", state.rootfs);
  text("created", state.created);
  if (!state.annotations.empty()) {
    writer.key("annotations");
    writer.begin_object();
    for (const auto& [key, value] : state.annotations) text(key.c_str(), value);
    writer.end_object();
  }
  text("owner", state.owner);
  writer.end_object();
}

}  // namespace

std::string to_json(const OciState& state) {
  json::Writer writer("  ");
  write(writer, state);
  return writer.take();
}

std::string to_json(const std::vector<OciState>& states) {
  if (states.empty()) return "null";
  json::Writer writer;
  writer.begin_array();
  for (const OciState& state : states) write(writer, state);
  writer.end_array();
  return writer.take();
}

}  // namespace cella
