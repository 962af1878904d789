#include "sandbox/fs/tty/line_discipline.h"

#include <asm/termbits.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <vector>

namespace cella::sandbox::fs {
namespace {

class LineDisciplineTest : public testing::Test, protected LineDiscipline::Line {
 protected:
  size_t room() const override { return most_ - std::min(most_, sent_.size()); }
  void send(std::string_view bytes) override { sent_ += bytes; }
  void discard_output() override { ++discarded_; }
  void signal(int number) override { signals_.push_back(number); }
  void flow_changed(bool) override {}

  void change(void (*what)(Termios&)) {
    Termios termios = discipline_.termios();
    what(termios);
    discipline_.set_termios(termios);
  }
  // What has been sent since it was asked last.
  std::string shown() { return std::exchange(sent_, {}); }
  // "" for the end of input, "?" for nothing to read.
  std::string read(size_t size = 64) {
    std::string text(size, '\0');
    vfs::IoVector io(text.data(), size);
    std::optional<size_t> n = discipline_.read(io);
    return n ? text.substr(0, *n) : "?";
  }
  size_t write(std::string text) {
    vfs::IoVector io(text.data(), text.size());
    return discipline_.write(io);
  }

  std::string sent_;
  size_t most_ = 10000;
  int discarded_ = 0;
  std::vector<int> signals_;
  LineDiscipline discipline_{*this};
};

TEST_F(LineDisciplineTest, GivesWholeLines) {
  discipline_.receive("one");
  EXPECT_EQ(read(), "?");
  discipline_.receive("\rtwo\n");
  EXPECT_EQ(discipline_.readable_bytes(), 8u);
  EXPECT_EQ(read(), "one\n");
  EXPECT_EQ(read(2), "tw");
  EXPECT_EQ(read(), "o\n");
  EXPECT_EQ(read(), "?");
  EXPECT_EQ(shown(), "one\r\ntwo\r\n");
}

TEST_F(LineDisciplineTest, EndOfInput) {
  discipline_.receive(
      "\x04"
      "ab\x04"
      "cd\x04\n");
  EXPECT_EQ(read(), "");
  EXPECT_EQ(read(), "ab");
  // An end right behind what was asked for is no other one.
  EXPECT_EQ(read(2), "cd");
  EXPECT_EQ(read(), "\n");
}

TEST_F(LineDisciplineTest, Erases) {
  discipline_.receive(
      "ab\x7f"
      "c\n");
  EXPECT_EQ(shown(), "ab\b \bc\r\n");
  EXPECT_EQ(read(), "ac\n");
  discipline_.receive("one two\x17x\n");
  EXPECT_EQ(shown(), "one two\b \b\b \b\b \bx\r\n");
  EXPECT_EQ(read(), "one x\n");
  discipline_.receive(
      "abc\x15"
      "d\n");
  EXPECT_EQ(shown(), "abc\b \b\b \b\b \bd\r\n");
  EXPECT_EQ(read(), "d\n");
  // Nothing of a line that has ended, and both columns of a control character.
  discipline_.receive("\x7f\x01\x7f\n");
  EXPECT_EQ(shown(), "^A\b \b\b \b\r\n");
}

TEST_F(LineDisciplineTest, ErasesTabsAndCharactersOfSeveralBytes) {
  change([](Termios& t) { t.input |= IUTF8; });
  discipline_.receive(
      "a\t\x7f"
      "b\n");
  EXPECT_EQ(shown(), "a\t\b\b\b\b\b\b\bb\r\n");
  EXPECT_EQ(read(), "ab\n");
  discipline_.receive("x\xc3\xa9\x7fy\n");
  EXPECT_EQ(shown(), "x\xc3\xa9\b \by\r\n");
  EXPECT_EQ(read(), "xy\n");
}

TEST_F(LineDisciplineTest, ErasesAsOnPaper) {
  change([](Termios& t) { t.local |= ECHOPRT; });
  discipline_.receive(
      "abc\x7f\x7f"
      "d\n");
  EXPECT_EQ(shown(), "abc\\cb/d\r\n");
  EXPECT_EQ(read(), "ad\n");
}

TEST_F(LineDisciplineTest, Literal) {
  discipline_.receive("\x16\x03\n");
  EXPECT_EQ(shown(), "^\b^C\r\n");
  EXPECT_EQ(read(), "\x03\n");
  EXPECT_TRUE(signals_.empty());
}

TEST_F(LineDisciplineTest, SignalsDiscardWhatWasTyped) {
  discipline_.receive("abc\x03\x1c\x1a");
  EXPECT_EQ(signals_, (std::vector<int>{SIGINT, SIGQUIT, SIGTSTP}));
  EXPECT_EQ(discarded_, 3);
  EXPECT_EQ(shown(), "abc^C^\\^Z");
  discipline_.receive("d\n");
  EXPECT_EQ(read(), "d\n");
  change([](Termios& t) { t.local |= NOFLSH; });
  discipline_.receive(
      "ab\x03"
      "c\n");
  EXPECT_EQ(read(), "abc\n");
}

TEST_F(LineDisciplineTest, RawInput) {
  change([](Termios& t) {
    t.local = 0;
    t.input = 0;
    t.characters[VMIN] = 3;
  });
  discipline_.receive("\r\x03");
  EXPECT_TRUE(discipline_.is_readable());
  EXPECT_FALSE(discipline_.is_readable(/*at_least=*/true));
  discipline_.receive("\n");
  EXPECT_TRUE(discipline_.is_readable(/*at_least=*/true));
  EXPECT_EQ(read(), "\r\x03\n");
  EXPECT_EQ(shown(), "");
}

TEST_F(LineDisciplineTest, ChangesBetweenLinesAndRaw) {
  discipline_.receive("one\ntw\x04");
  change([](Termios& t) { t.local &= ~static_cast<uint32_t>(ICANON); });
  EXPECT_EQ(read(2), "on");
  EXPECT_EQ(read(), std::string("e\ntw\0", 5));
  discipline_.receive("abc");
  change([](Termios& t) { t.local |= ICANON; });
  EXPECT_EQ(read(), "abc");
}

TEST_F(LineDisciplineTest, ALineThatIsTooLongKeepsItsEnd) {
  const std::string filler(5000, 'x');
  EXPECT_EQ(discipline_.receive(filler), filler.size());
  EXPECT_EQ(discipline_.receive("\n"), 1u);
  const std::string line = read(8192);
  EXPECT_EQ(line.size(), 4096u);
  EXPECT_EQ(line.back(), '\n');
}

TEST_F(LineDisciplineTest, TakesNoMoreThanItHolds) {
  change([](Termios& t) { t.local = 0; });
  EXPECT_EQ(discipline_.receive(std::string(5000, 'x')), 4095u);
  EXPECT_EQ(discipline_.receive("y"), 0u);
  read(10);
  EXPECT_EQ(discipline_.receive("y"), 1u);
}

TEST_F(LineDisciplineTest, OutputProcessing) {
  EXPECT_EQ(write("a\nb\tc"), 5u);
  EXPECT_EQ(shown(), "a\r\nb\tc");
  change([](Termios& t) { t.output = OPOST | XTABS | OCRNL; });
  write("\r\tx");
  EXPECT_EQ(shown(), "\n       x");  // behind what was at column 9
  change([](Termios& t) { t.output = OPOST | OLCUC | ONOCR; });
  write("\r\rab");
  EXPECT_EQ(shown(), "\rAB");
  change([](Termios& t) { t.output = 0; });
  write("\n");
  EXPECT_EQ(shown(), "\n");
}

TEST_F(LineDisciplineTest, WritesNoMoreThanThereIsRoom) {
  most_ = 100;
  const size_t done = write(std::string(1000, 'x'));
  EXPECT_GE(done, 90u);
  EXPECT_LE(sent_.size(), 110u);
  EXPECT_EQ(write("y"), 0u);
  // Echoes wait for room.
  discipline_.receive("z\n");
  sent_.clear();
  discipline_.send_echoes();
  EXPECT_EQ(shown(), "z\r\n");
}

TEST_F(LineDisciplineTest, FlowControl) {
  discipline_.receive("\x13");
  EXPECT_TRUE(discipline_.is_stopped());
  EXPECT_EQ(write("x"), 0u);
  discipline_.receive("a");
  EXPECT_EQ(shown(), "");
  discipline_.receive("\x11");
  EXPECT_EQ(shown(), "a");
  EXPECT_EQ(write("x"), 1u);
  discipline_.receive("\x13");
  change([](Termios& t) { t.input |= IXANY; });
  discipline_.receive("b");
  EXPECT_FALSE(discipline_.is_stopped());
  discipline_.receive("\x13");
  change([](Termios& t) { t.input &= ~static_cast<uint32_t>(IXON); });
  EXPECT_FALSE(discipline_.is_stopped());
}

TEST_F(LineDisciplineTest, InputFlags) {
  change([](Termios& t) {
    t.input = INLCR | ISTRIP;
    t.local = 0;
  });
  discipline_.receive("\n\xe1");
  EXPECT_EQ(read(), "\ra");
  change([](Termios& t) { t.input = IGNCR | PARMRK; });
  discipline_.receive("\r\xff");
  EXPECT_EQ(read(), "\xff\xff");
}

TEST_F(LineDisciplineTest, Reprints) {
  discipline_.receive(
      "ab\x12"
      "c\n");
  EXPECT_EQ(shown(), "ab^R\r\nabc\r\n");
  EXPECT_EQ(read(), "abc\n");
}

}  // namespace
}  // namespace cella::sandbox::fs
