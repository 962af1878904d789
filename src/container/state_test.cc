// OciState as JSON: what `state` and `list --format json` print, byte by byte as runc does.
#include <cella/container.h>
#include <gtest/gtest.h>

namespace cella {
namespace {

OciState state() {
  OciState s;
  s.oci_version = "1.3.0";
  s.id = "web";
  s.pid = 42;
  s.status = Status::kRunning;
  s.bundle = "/b";
  s.rootfs = "/b/rootfs";
  s.created = "2026-01-02T03:04:05.000000006Z";
  s.owner = "root";
  return s;
}

TEST(OciState, IsIndentedByTwoSpaces) {
  EXPECT_EQ(to_json(state()),
            "{\n"
            "  \"ociVersion\": \"1.3.0\",\n"
            "  \"id\": \"web\",\n"
            "  \"pid\": 42,\n"
            "  \"status\": \"running\",\n"
            "  \"bundle\": \"/b\",\n"
            "  \"rootfs\": \"/b/rootfs\",\n"
            "  \"created\": \"2026-01-02T03:04:05.000000006Z\",\n"
            "  \"owner\": \"root\"\n"
            "}");
}

TEST(OciState, HasAnnotationsWhenThereAreSome) {
  OciState s = state();
  s.annotations = {{"a", "1"}, {"quote\"", "\n"}};
  EXPECT_NE(to_json(s).find("  \"annotations\": {\n    \"a\": \"1\",\n    \"quote\\\"\": \"\\n\"\n  },\n"),
            std::string::npos);
}

TEST(OciState, AListIsOneLine) {
  EXPECT_EQ(to_json(std::vector<OciState>()), "null");
  EXPECT_EQ(to_json(std::vector<OciState>{state()}),
            "[{\"ociVersion\":\"1.3.0\",\"id\":\"web\",\"pid\":42,\"status\":\"running\",\"bundle\":\"/"
            "b\",\"rootfs\":\"/b/rootfs\","
            "\"created\":\"2026-01-02T03:04:05.000000006Z\",\"owner\":\"root\"}]");
}

TEST(Status, HasANameForEach) {
  const std::pair<Status, const char*> names[] = {{Status::kCreated, "created"},
                                                  {Status::kRunning, "running"},
                                                  {Status::kPausing, "pausing"},
                                                  {Status::kPaused, "paused"},
                                                  {Status::kStopped, "stopped"}};
  for (auto [status, name] : names) EXPECT_STREQ(status_name(status), name);
}

}  // namespace
}  // namespace cella
