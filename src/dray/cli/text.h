// Text for terminals: widths, tables, times, sentences.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dray::cli {

/// Columns that UTF-8 text takes on a terminal: 2 for East Asian wide characters and emoji, 0 for
/// combining marks.
std::size_t display_width(std::string_view text);
/// At most `width` columns; what is cut off is shown as "…" at the end, or in the middle for paths,
/// whose ends tell them apart.
std::string fit(std::string_view text, std::size_t width);
std::string fit_middle(std::string_view text, std::size_t width);
/// `text` with spaces up to `width` columns.
std::string pad(std::string_view text, std::size_t width, bool right = false);
/// Control characters, invalid UTF-8 and direction overrides replaced by '?', so that outside text
/// cannot steer the terminal.
std::string printable(std::string_view text);

struct Table {
  struct Column {
    std::string title;
    bool right = false;    // numbers
    bool shrinks = false;  // the one to be cut when the terminal is narrow
  };
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
};
/// Lines without trailing spaces. `width` 0 = no limit (not a terminal).
std::vector<std::string> format_table(const Table& table, std::size_t width);

/// Lines of at most `width` columns, broken at spaces; line breaks in `text` are kept.
std::vector<std::string> wrap(std::string_view text, std::size_t width);

/// "0.3 s", "42 s", "3 min 20 s", "2 h 5 min".
std::string human_duration(std::chrono::milliseconds time);
/// "0:42", "3:20", "2:05:00" for remaining time.
std::string clock_duration(std::chrono::seconds time);
/// "12 files", "1 file".
std::string count_of(std::uint64_t count, std::string_view thing);
/// "http://user:password@host" as "http://host".
std::string without_password(std::string_view address);
/// A POSIX shell reads it as one word.
std::string shell_word(std::string_view text);

}  // namespace dray::cli
