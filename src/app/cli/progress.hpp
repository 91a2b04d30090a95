#pragma once
#include "app/cli/texts.hpp"
#include "base/json/json.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <boost/json.hpp>

namespace llmm::app::cli {

// What a download is doing, in words.
std::string phase_text(const json::object& download, const Texts& text);
// Lines of a live display, each at most `width` columns: a bar with size, speed and time left, and for
// several files a line for each that is on its way.
std::vector<std::string> render_bar(const json::object& download, std::size_t width, const Texts& text);
// One line for logs: "demo:tiny-chat: downloading 50 % (403.0 MB of 806.1 MB), 52.4 MB/s, 8s left".
std::string render_line(const json::object& download, const Texts& text);

// Chooses which moments of a download are worth a plain line: a new phase, every tenth, and every two seconds
// that bring something new.
class LinePacer {
  public:
    bool is_due(const json::object& download, std::chrono::steady_clock::time_point now);

  private:
    std::string phase_;
    std::string line_facts_;
    int tenth_ = -1;
    std::optional<std::chrono::steady_clock::time_point> last_;
};

// Text that replaces `before` lines of a live display by these.
std::string redraw(std::size_t before, const std::vector<std::string>& lines);

}  // namespace llmm::app::cli
