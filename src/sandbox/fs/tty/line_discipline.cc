#include "sandbox/fs/tty/line_discipline.h"

#include <asm/termbits.h>
#include <signal.h>

#include <algorithm>

namespace cella::sandbox::fs {
namespace {

constexpr size_t kInput = 4096;  // N_TTY_BUF_SIZE
constexpr size_t kMostEchoes = 4096;

bool is_control(unsigned char c) {
  return c < ' ' || c == 0x7f;
}
// As in ISO 8859-1, which the kernel's ctype is.
bool is_word(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
         (c >= 0xc0 && c != 0xd7 && c != 0xf7);
}
unsigned char lower(unsigned char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<unsigned char>(c | 0x20) : c;
}
unsigned char upper(unsigned char c) {
  return c >= 'a' && c <= 'z' ? static_cast<unsigned char>(c & ~0x20) : c;
}

}  // namespace

bool LineDiscipline::is_canonical() const {
  return has_local(ICANON) && !has_local(EXTPROC);
}

bool LineDiscipline::is_continuation(unsigned char c) const {
  return has_input(IUTF8) && (c & 0xc0) == 0x80;
}

void LineDiscipline::set_termios(const Termios& termios) {
  const uint32_t changed = termios.local ^ termios_.local;
  const bool had_flow = has_input(IXON);
  termios_ = termios;
  if (changed & (ICANON | EXTPROC)) {
    for (Cell& cell : input_) cell &= static_cast<Cell>(~kEnd);
    complete_ = has_local(ICANON) ? input_.size() : 0;
    if (complete_ > 0) input_.back() |= kEnd;
    erasing_ = literal_ = false;
  }
  if (had_flow && !has_input(IXON)) set_stopped(false);
}

void LineDiscipline::set_stopped(bool stopped) {
  if (stopped_ == stopped) return;
  stopped_ = stopped;
  line_.flow_changed(stopped);
  send_echoes();
}

// --- from the line

size_t LineDiscipline::receive(std::string_view bytes) {
  size_t done = 0;
  for (; done < bytes.size(); ++done) {
    // With PARMRK a character may become several.
    size_t room = kInput - 1 - std::min(input_.size(), kInput - 1);
    if (has_input(PARMRK)) room /= 3;
    if (room == 0) {
      // A line that is too long loses its end, but not what would end it.
      if (!has_local(ICANON) || complete_ > 0) break;
      if (input_.size() >= kInput) input_.pop_back();
    }
    receive_one(static_cast<unsigned char>(bytes[done]));
  }
  send_echoes();
  return done;
}

void LineDiscipline::receive_one(unsigned char c) {
  if (has_input(ISTRIP)) c &= 0x7f;
  if (has_input(IUCLC) && has_local(IEXTEN)) c = lower(c);
  if (has_local(EXTPROC)) return keep(c);
  if (literal_) {
    literal_ = false;
    return receive_plain(c);
  }
  receive_special(c);
}

void LineDiscipline::receive_plain(unsigned char c) {
  if (stopped_ && has_input(IXON) && has_input(IXANY)) set_stopped(false);
  if (has_local(ECHO)) echo_typed(c);
  if (c == 0xff && has_input(PARMRK)) keep(c);
  keep(c);
}

void LineDiscipline::receive_special(unsigned char c) {
  if (receive_flow(c) || receive_signal(c)) return;
  if (stopped_ && has_input(IXON) && has_input(IXANY)) set_stopped(false);
  if (c == '\r') {
    if (has_input(IGNCR)) return;
    if (has_input(ICRNL)) c = '\n';
  } else if (c == '\n' && has_input(INLCR)) {
    c = '\r';
  }
  if (has_local(ICANON) && receive_editing(c)) return;
  if (has_local(ECHO)) {
    if (c == '\n') {
      finish_erasing();
      echo_raw("\n");
    } else {
      echo_typed(c);
    }
  }
  if (c == 0xff && has_input(PARMRK)) keep(c);
  keep(c);
}

bool LineDiscipline::receive_flow(unsigned char c) {
  if (!has_input(IXON)) return false;
  if (is_character(c, VSTART)) {
    set_stopped(false);
    return true;
  }
  if (!is_character(c, VSTOP)) return false;
  set_stopped(true);
  return true;
}

bool LineDiscipline::receive_signal(unsigned char c) {
  if (!has_local(ISIG)) return false;
  const int signal = is_character(c, VINTR)   ? SIGINT
                     : is_character(c, VQUIT) ? SIGQUIT
                     : is_character(c, VSUSP) ? SIGTSTP
                                              : 0;
  if (signal == 0) return false;
  line_.signal(signal);
  if (!has_local(NOFLSH)) {
    send_echoes();
    echoes_.clear();
    line_.discard_output();
    discard_input();
  }
  if (has_input(IXON)) set_stopped(false);
  if (has_local(ECHO)) echo(c);
  return true;
}

// What a line is made with: true when `c` was for that.
bool LineDiscipline::receive_editing(unsigned char c) {
  if (is_character(c, VERASE) || is_character(c, VKILL) || (is_character(c, VWERASE) && has_local(IEXTEN))) {
    erase(c);
    return true;
  }
  if (is_character(c, VLNEXT) && has_local(IEXTEN)) {
    literal_ = true;
    if (has_local(ECHO)) {
      finish_erasing();
      if (has_local(ECHOCTL)) echo_raw("^\b");
    }
    return true;
  }
  if (is_character(c, VREPRINT) && has_local(ECHO) && has_local(IEXTEN)) {
    finish_erasing();
    echo(c);
    echo_raw("\n");
    for (size_t i = complete_; i < input_.size(); ++i) echo(static_cast<unsigned char>(input_[i]));
    return true;
  }
  if (c == '\n') {
    if (has_local(ECHO) || has_local(ECHONL)) echo_raw("\n");
    end_line('\n');
    return true;
  }
  if (is_character(c, VEOF)) {
    end_line(0);
    return true;
  }
  if (is_character(c, VEOL) || (is_character(c, VEOL2) && has_local(IEXTEN))) {
    if (has_local(ECHO)) echo_typed(c);
    if (c == 0xff && has_input(PARMRK)) keep(c);
    end_line(c);
    return true;
  }
  return false;
}

void LineDiscipline::end_line(unsigned char c) {
  input_.push_back(kEnd | c);
  complete_ = input_.size();
}

void LineDiscipline::keep(unsigned char c) {
  input_.push_back(c);
}

void LineDiscipline::discard_input() {
  input_.clear();
  complete_ = 0;
  erasing_ = literal_ = false;
}

// --- erasing

void LineDiscipline::erase(unsigned char c) {
  if (input_.size() == complete_) return;
  const bool is_word_erase = is_character(c, VWERASE) && !is_character(c, VERASE);
  const bool is_kill = !is_word_erase && !is_character(c, VERASE);
  if (is_kill) {
    if (!has_local(ECHO) || !has_local(ECHOK) || !has_local(ECHOKE) || !has_local(ECHOE)) {
      input_.resize(complete_);
      if (!has_local(ECHO)) return;
      finish_erasing();
      echo(termios_.characters[VKILL]);
      if (has_local(ECHOK)) echo_raw("\n");
      return;
    }
  }
  bool seen_word = false;
  while (input_.size() > complete_) {
    // One character, of however many bytes; never a part of one.
    size_t head = input_.size();
    unsigned char last = 0;
    do {
      last = static_cast<unsigned char>(input_[--head]);
    } while (is_continuation(last) && head > complete_);
    if (is_continuation(last)) break;
    if (is_word_erase) {
      if (is_word(last)) {
        seen_word = true;
      } else if (seen_word) {
        break;
      }
    }
    if (has_local(ECHO) && has_local(ECHOPRT)) {
      if (!erasing_) echo_raw("\\");
      erasing_ = true;
      echo(last);
      for (size_t i = head + 1; i < input_.size(); ++i) {
        const char byte = static_cast<char>(input_[i]);
        echo_raw({&byte, 1});
      }
      input_.resize(head);
    } else {
      input_.resize(head);
      if (has_local(ECHO) && !is_word_erase && !is_kill && !has_local(ECHOE)) {
        echo(termios_.characters[VERASE]);
      } else if (has_local(ECHO)) {
        erase_on_screen(last);
      }
    }
    if (!is_word_erase && !is_kill) break;
  }
  if (input_.size() == complete_ && has_local(ECHO)) finish_erasing();
}

// The input has lost `c` already.
void LineDiscipline::erase_on_screen(unsigned char c) {
  if (c == '\t') {
    // Back to where the tab began: behind what was typed since the last one, or since the line began.
    size_t columns = 0;
    bool after_tab = false;
    for (size_t i = input_.size(); i > complete_ && !after_tab; --i) {
      const auto before = static_cast<unsigned char>(input_[i - 1]);
      if (before == '\t') {
        after_tab = true;
      } else if (is_control(before)) {
        if (has_local(ECHOCTL)) columns += 2;
      } else if (!is_continuation(before)) {
        ++columns;
      }
    }
    if (!after_tab) columns += line_column_;
    for (size_t left = 8 - (columns & 7); left > 0; --left) {
      echoes_ += '\b';
      if (column_ > 0) --column_;
    }
    return;
  }
  constexpr std::string_view kOne = "\b \b";
  if (is_control(c) && has_local(ECHOCTL)) echo_raw(kOne);
  if (!is_control(c) || has_local(ECHOCTL)) echo_raw(kOne);
}

void LineDiscipline::finish_erasing() {
  if (!erasing_) return;
  erasing_ = false;
  echo_raw("/");
}

// --- echo and output

void LineDiscipline::echo_typed(unsigned char c) {
  finish_erasing();
  if (input_.size() == complete_) line_column_ = column_;
  echo(c);
}

void LineDiscipline::echo(unsigned char c) {
  if (!has_local(ECHOCTL) || !is_control(c) || c == '\t') {
    const char byte = static_cast<char>(c);
    return echo_raw({&byte, 1});
  }
  if (echoes_.size() >= kMostEchoes) return;
  echoes_ += '^';
  echoes_ += static_cast<char>(c ^ 0x40);
  column_ += 2;
}

void LineDiscipline::echo_raw(std::string_view text) {
  for (char c : text) {
    if (echoes_.size() >= kMostEchoes) return;
    if (has_output(OPOST)) {
      process(static_cast<unsigned char>(c), echoes_);
    } else {
      echoes_ += c;
    }
  }
}

void LineDiscipline::send_echoes() {
  const size_t n = std::min(stopped_ ? 0 : line_.room(), echoes_.size());
  if (n == 0) return;
  // Sending may make room, and come back here.
  const std::string now = echoes_.substr(0, n);
  echoes_.erase(0, n);
  line_.send(now);
}

// What OPOST makes of a character.
void LineDiscipline::process(unsigned char c, std::string& out) {
  switch (c) {
    case '\n':
      if (has_output(ONLRET)) column_ = 0;
      if (has_output(ONLCR)) {
        column_ = line_column_ = 0;
        out += '\r';
      }
      line_column_ = column_;
      break;
    case '\r':
      if (has_output(ONOCR) && column_ == 0) return;
      if (has_output(OCRNL)) {
        c = '\n';
        if (has_output(ONLRET)) column_ = line_column_ = 0;
        break;
      }
      column_ = line_column_ = 0;
      break;
    case '\t': {
      const size_t spaces = 8 - (column_ & 7);
      column_ += spaces;
      if ((termios_.output & TABDLY) == XTABS) {
        out.append(spaces, ' ');
        return;
      }
      break;
    }
    case '\b':
      if (column_ > 0) --column_;
      break;
    default:
      if (is_control(c)) break;
      if (has_output(OLCUC)) c = upper(c);
      if (!is_continuation(c)) ++column_;
  }
  out += static_cast<char>(c);
}

size_t LineDiscipline::write(vfs::IoVector& io) {
  send_echoes();
  size_t done = 0;
  while (io.left() > 0 && !stopped_ && line_.room() > 0) {
    char buffer[512];
    constexpr size_t kWidest = 8;  // of one character: a tab
    const size_t room = has_output(OPOST) ? std::max<size_t>(line_.room() / kWidest, 1) : line_.room();
    const size_t n = io.take(buffer, std::min(room, sizeof buffer));
    if (n == 0) break;
    if (has_output(OPOST)) {
      std::string out;
      for (size_t i = 0; i < n; ++i) process(static_cast<unsigned char>(buffer[i]), out);
      line_.send(out);
    } else {
      line_.send({buffer, n});
    }
    done += n;
  }
  return done;
}

// --- reading

bool LineDiscipline::is_readable(bool at_least) const {
  if (is_canonical()) return complete_ > 0;
  const size_t wanted =
      at_least && termios_.characters[VTIME] == 0 ? std::max<size_t>(termios_.characters[VMIN], 1) : 1;
  return input_.size() >= wanted;
}

size_t LineDiscipline::readable_bytes() const {
  if (!has_local(ICANON)) return input_.size();
  // Ends of input are no bytes.
  return complete_ -
         static_cast<size_t>(std::count(input_.begin(), input_.begin() + static_cast<ptrdiff_t>(complete_), kEnd));
}

std::optional<size_t> LineDiscipline::read(vfs::IoVector& io) {
  if (!is_readable()) return std::nullopt;
  if (is_canonical()) return read_line(io);
  size_t done = 0;
  char buffer[256];
  while (io.left() > 0 && !input_.empty()) {
    const size_t n = std::min({io.left(), input_.size(), sizeof buffer});
    std::copy_n(input_.begin(), n, buffer);
    if (io.put(buffer, n) < n) break;
    input_.erase(input_.begin(), input_.begin() + static_cast<ptrdiff_t>(n));
    done += n;
  }
  complete_ -= std::min(complete_, done);
  return done;
}

std::optional<size_t> LineDiscipline::read_line(vfs::IoVector& io) {
  size_t done = 0;
  bool has_ended = false;
  while (complete_ > 0 && !has_ended && io.left() > 0) {
    const Cell cell = input_.front();
    input_.pop_front();
    --complete_;
    has_ended = cell & kEnd;
    const char c = static_cast<char>(cell);
    if (cell == kEnd) break;
    done += io.put(&c, 1);
  }
  // The end of input right behind what was asked for belongs to it: the next read is not the end.
  if (!has_ended && done > 0 && io.left() == 0 && complete_ > 0 && input_.front() == kEnd) {
    input_.pop_front();
    --complete_;
  }
  return done;
}

}  // namespace cella::sandbox::fs
