// LineDiscipline: what becomes of characters between a line and the programs that read and write the terminal: editing
// of input by lines, echo, characters that are signals, and what is done to output. termios(3) as Linux' N_TTY has it.
//
// Pure: knows nothing of files, processes and waiting. The Line is what it stands on.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "sandbox/fs/tty/termios.h"
#include "sandbox/vfs/io.h"

namespace cella::sandbox::fs {

class LineDiscipline {
 public:
  class Line {
   public:
    // How many bytes it takes now; send() is given no more, but for a few.
    virtual size_t room() const = 0;
    virtual void send(std::string_view bytes) = 0;
    // Of what has been sent and not arrived, nothing is to.
    virtual void discard_output() = 0;
    // To the foreground.
    virtual void signal(int number) = 0;
    // Output has been stopped or may go on: IXON and tcflow(3).
    virtual void flow_changed(bool stopped) = 0;

   protected:
    ~Line() = default;
  };

  explicit LineDiscipline(Line& line) : line_(line) {}

  const Termios& termios() const { return termios_; }
  // Characters that have been typed stay; what was typed without lines is one when there are to be lines.
  void set_termios(const Termios& termios);

  // --- from the line
  // Takes as many as there is room for; how many.
  size_t receive(std::string_view bytes);
  // Sends echoes that had no room.
  void send_echoes();

  // --- for programs
  // Without waiting: nothing when there is nothing to read yet; 0: the end of input was typed.
  std::optional<size_t> read(vfs::IoVector& io);
  size_t write(vfs::IoVector& io);
  // `at_least`: as poll(2) sees it, VMIN characters.
  bool is_readable(bool at_least = false) const;
  // FIONREAD.
  size_t readable_bytes() const;
  void discard_input();

  bool is_stopped() const { return stopped_; }
  void set_stopped(bool stopped);

 private:
  bool has_input(uint32_t flag) const { return termios_.input & flag; }
  bool has_output(uint32_t flag) const { return termios_.output & flag; }
  bool has_local(uint32_t flag) const { return termios_.local & flag; }
  bool is_character(unsigned char c, int which) const { return c != 0 && termios_.characters[which] == c; }
  bool is_canonical() const;
  // A byte in the middle of a character of several, with IUTF8.
  bool is_continuation(unsigned char c) const;

  void receive_one(unsigned char c);
  void receive_plain(unsigned char c);
  void receive_special(unsigned char c);
  bool receive_flow(unsigned char c);
  bool receive_signal(unsigned char c);
  bool receive_editing(unsigned char c);
  void erase(unsigned char c);
  void erase_on_screen(unsigned char c);
  void end_line(unsigned char c);
  void keep(unsigned char c);
  std::optional<size_t> read_line(vfs::IoVector& io);

  void echo(unsigned char c);            // "^C" with ECHOCTL
  void echo_raw(std::string_view text);  // as it is, but for output processing
  void echo_typed(unsigned char c);
  void finish_erasing();
  void process(unsigned char c, std::string& out);

  // A character that has been received; with kEnd it ends a line, and 0 is then the end of input.
  using Cell = uint16_t;
  static constexpr Cell kEnd = 0x100;

  Line& line_;
  Termios termios_ = default_termios();
  std::deque<Cell> input_;
  size_t complete_ = 0;   // of input_, in lines that have ended
  std::string echoes_;    // after output processing
  bool literal_ = false;  // VLNEXT was typed
  bool erasing_ = false;  // in an ECHOPRT erasure
  bool stopped_ = false;
  size_t column_ = 0, line_column_ = 0;  // on the screen: now, and where the line that is typed begins
};

}  // namespace cella::sandbox::fs
