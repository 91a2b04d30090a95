#include "app/cli/progress.hpp"

#include "app/cli/fields.hpp"
#include "app/cli/format.hpp"
#include "app/cli/phrases.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace llmm::app::cli {
namespace {

constexpr std::chrono::seconds kLineInterval{2};
constexpr std::size_t kWidestBar = 30;
constexpr std::size_t kNarrowestBar = 8;
constexpr std::size_t kMostFileLines = 6;

double fraction_of(const json::object& download) {
    return std::clamp(number_of(download, "progress").value_or(0), 0.0, 1.0);
}

int percent_of(const json::object& download) {
    return static_cast<int>(std::floor(fraction_of(download) * 100));
}

bool is_moving(const json::object& download) {
    return text_of(download, "status") == "downloading" && text_of(download, "phase") == "transferring";
}

std::string size_text(const json::object& download) {
    const std::string received = format_bytes(count_of(download, "download_size").value_or(0));
    const auto total = count_of(download, "total_size");
    return total ? received + " / " + format_bytes(*total) : received;
}

// ", 52.4 MB/s, 8s left", as far as it is known.
std::string pace_text(const json::object& download, const Texts& text, std::string_view separator) {
    std::string pace;
    if (!is_moving(download)) return pace;
    if (const auto speed = number_of(download, "download_speed")) pace += std::string(separator) + format_speed(*speed);
    if (const auto eta = count_of(download, "eta_seconds")) {
        pace += std::string(separator) + text(phrases::eta, format_duration(*eta));
    }
    return pace;
}

std::string bar(double fraction, std::size_t width) {
    const auto filled = static_cast<std::size_t>(std::floor(fraction * static_cast<double>(width)));
    std::string cells(filled, '=');
    if (filled < width) cells += '>';
    cells.resize(width, ' ');
    return "[" + cells + "]";
}

std::vector<std::string> file_lines(const json::object& download, std::size_t width, const Texts& text) {
    std::vector<std::string> lines;
    const json::array files = array_of(download, "files");
    if (files.size() < 2) return lines;
    std::size_t hidden = 0;
    for (const json::value& value : files) {
        const json::object* file = value.if_object();
        if (!file || text_of(*file, "status") != "downloading") continue;
        if (lines.size() == kMostFileLines) {
            ++hidden;
            continue;
        }
        const std::int64_t received = count_of(*file, "received").value_or(0);
        const std::int64_t size = count_of(*file, "size").value_or(0);
        const std::int64_t percent = size > 0 ? received * 100 / size : 0;
        const std::string facts = fmt::format("  {:>3}%  {}", percent, pad_left(format_bytes(size), 9));
        const std::size_t room = width > facts.size() + 4 ? width - facts.size() - 2 : 2;
        lines.push_back("  " +
                        pad_right(shorten(printable(text_of(*file, "path")), room), std::min<std::size_t>(room, 44)) +
                        facts);
    }
    if (hidden > 0) lines.push_back(shorten("  " + text(phrases::more_files, hidden), width));
    return lines;
}

}  // namespace

std::string phase_text(const json::object& download, const Texts& text) {
    const std::string status = text_of(download, "status");
    const std::string phase = text_of(download, "phase");
    if (status == "pending") return text(phrases::pending);
    if (status == "completed") return text(phrases::completed);
    if (status != "downloading") return printable(status);
    if (phase == "resolving") return text(phrases::resolving);
    if (phase == "verifying") return text(phrases::verifying);
    if (phase == "publishing") return text(phrases::publishing);
    if (phase == "waiting_for_space") return text(phrases::waiting_for_space);
    if (phase == "waiting_for_source") return text(phrases::waiting_for_source);
    return text(phrases::downloading);
}

std::vector<std::string> render_bar(const json::object& download, std::size_t width, const Texts& text) {
    std::string facts = fmt::format(" {:>3}%  {}", percent_of(download), size_text(download));
    facts += is_moving(download) ? pace_text(download, text, "  ") : "  " + phase_text(download, text);
    const std::size_t used = display_width(facts) + 2;
    std::vector<std::string> lines;
    if (used + kNarrowestBar <= width) {
        lines.push_back(bar(fraction_of(download), std::min(kWidestBar, width - used)) + facts);
    } else {
        lines.push_back(shorten(facts.substr(1), width));
    }
    for (std::string& line : file_lines(download, width, text))
        lines.push_back(std::move(line));
    return lines;
}

std::string render_line(const json::object& download, const Texts& text) {
    std::string line = printable(text_of(download, "ref")) + ": " + phase_text(download, text);
    if (count_of(download, "total_size")) line += fmt::format(" {}% ({})", percent_of(download), size_text(download));
    return line + pace_text(download, text, ", ");
}

bool LinePacer::is_due(const json::object& download, std::chrono::steady_clock::time_point now) {
    const std::string phase = text_of(download, "status") + "/" + text_of(download, "phase");
    const int tenth = percent_of(download) / 10;
    const std::string facts = fmt::format("{} {}", phase, count_of(download, "download_size").value_or(0));
    const bool is_new_phase = phase != phase_;
    const bool is_slow = last_ && now - *last_ >= kLineInterval && facts != line_facts_;
    if (!is_new_phase && tenth == tenth_ && !is_slow) return false;
    phase_ = phase;
    tenth_ = tenth;
    line_facts_ = facts;
    last_ = now;
    return true;
}

std::string redraw(std::size_t before, const std::vector<std::string>& lines) {
    std::string text = before > 0 ? fmt::format("\x1b[{}A\r", before) : "\r";
    for (const std::string& line : lines)
        text += line + "\x1b[K\n";
    return text + "\x1b[J";
}

}  // namespace llmm::app::cli
