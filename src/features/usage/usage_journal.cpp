#include "features/usage/usage_journal.hpp"

#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "base/text/parse_number.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unordered_map>

#include <fmt/format.h>

namespace llmm::usage {
namespace {

// A line: "b" or "e" (begun, ended) and the fields of the row, with tabs between them. What nobody knows is empty.
constexpr std::size_t kFields = 16;
constexpr std::size_t kMaxBytes = 256 << 20;
constexpr std::uint64_t kWorthIt = 1 << 20;  // bytes that can go before the file is written anew

void add_text(std::string& line, std::string_view text) {
    line += '\t';
    for (const char c : text) {
        switch (c) {
            case '\\':
                line += "\\\\";
                break;
            case '\t':
                line += "\\t";
                break;
            case '\n':
                line += "\\n";
                break;
            default:
                line += c;
        }
    }
}

template <class T>
void add_number(std::string& line, const std::optional<T>& value) {
    line += '\t';
    if (value) fmt::format_to(std::back_inserter(line), "{}", *value);
}

void add_line(std::string& line, char state, const Usage& row) {
    line += state;
    add_text(line, row.id);
    add_number(line, std::optional(to_epoch_ms(row.at)));
    add_text(line, row.caller);
    add_text(line, row.model);
    add_text(line, row.deployment);
    add_text(line, row.dialect);
    add_text(line, row.operation);
    add_number(line, std::optional(row.status));
    add_number(line, std::optional(row.streamed ? 1 : 0));
    add_number(line, row.tokens_in);
    add_number(line, row.tokens_out);
    add_number(line, row.tokens_cached);
    add_number(line, row.first_token_ms);
    add_number(line, std::optional(row.total_ms));
    add_text(line, row.error);
    line += '\n';
}

std::string text_of(std::string_view field) {
    std::string text;
    for (std::size_t i = 0; i < field.size(); ++i) {
        if (field[i] != '\\' || i + 1 == field.size()) {
            text += field[i];
            continue;
        }
        const char escaped = field[++i];
        text += escaped == 't' ? '\t' : escaped == 'n' ? '\n' : escaped;
    }
    return text;
}

struct Line {
    bool ended;
    Usage row;
};

std::optional<Line> parse_line(std::string_view text) {
    std::array<std::string_view, kFields> fields;
    for (std::size_t i = 0; i < kFields; ++i) {
        const std::size_t tab = text.find('\t');
        if ((tab == text.npos) != (i + 1 == kFields)) return std::nullopt;
        fields[i] = text.substr(0, tab);
        text.remove_prefix(tab == text.npos ? text.size() : tab + 1);
    }
    const auto at = parse_number<std::int64_t>(fields[2]);
    const auto status = parse_number<int>(fields[8]), streamed = parse_number<int>(fields[9]);
    const auto total_ms = parse_number<double>(fields[14]);
    if ((fields[0] != "b" && fields[0] != "e") || !is_uuid(fields[1]) || !at || !status || !streamed || !total_ms)
        return std::nullopt;
    return Line{.ended = fields[0] == "e",
                .row = {.id = std::string(fields[1]),
                        .at = from_epoch_ms(*at),
                        .caller = text_of(fields[3]),
                        .model = text_of(fields[4]),
                        .deployment = text_of(fields[5]),
                        .dialect = text_of(fields[6]),
                        .operation = text_of(fields[7]),
                        .status = *status,
                        .streamed = *streamed != 0,
                        .tokens_in = parse_number<std::int64_t>(fields[10]),
                        .tokens_out = parse_number<std::int64_t>(fields[11]),
                        .tokens_cached = parse_number<std::int64_t>(fields[12]),
                        .first_token_ms = parse_number<double>(fields[13]),
                        .total_ms = *total_ms,
                        .error = text_of(fields[15])}};
}

TimePoint changed_at(const std::filesystem::path& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return now();
    return from_epoch_ms(static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1000 + status.st_mtim.tv_nsec / 1'000'000);
}

}  // namespace

std::vector<Usage> parse_usage_journal(std::string_view text, TimePoint died_at) {
    std::vector<Line> lines;
    std::unordered_map<std::string, std::size_t> known;  // the last line of a request counts
    for (std::size_t end = text.find('\n'); end != text.npos; end = text.find('\n')) {
        auto line = parse_line(text.substr(0, end));
        text.remove_prefix(end + 1);
        if (!line) continue;
        const auto [found, is_new] = known.emplace(line->row.id, lines.size());
        if (is_new) {
            lines.push_back(*std::move(line));
        } else {
            lines[found->second] = *std::move(line);
        }
    }
    std::vector<Usage> rows;
    for (Line& line : lines) {
        if (!line.ended) {
            constexpr int kServerError = 500;
            line.row.status = kServerError;
            line.row.error = kInterrupted;
            line.row.total_ms = std::max(0.0, static_cast<double>(to_epoch_ms(died_at) - to_epoch_ms(line.row.at)));
        }
        rows.push_back(std::move(line.row));
    }
    return rows;
}

UsageJournal::UsageJournal(std::filesystem::path path) : path_(std::move(path)) {
    std::error_code missing;
    if (!std::filesystem::exists(path_, missing)) return;
    left_ = parse_usage_journal(read_text_file(path_, kMaxBytes), changed_at(path_));
    start_over({}, left_);
}

void UsageJournal::begin(const Usage& row) {
    line_.clear();
    add_line(line_, 'b', row);
    append(line_);
}

void UsageJournal::end(const Usage& row) {
    line_.clear();
    add_line(line_, 'e', row);
    append(line_);
}

void UsageJournal::append(std::string_view lines) {
    try {
        if (!fd_) fd_ = open_file(path_, O_WRONLY | O_CREAT | O_TRUNC);
        write_all(fd_.get(), std::as_bytes(std::span(lines)), end_);
        end_ += lines.size();
        failed_ = false;
    } catch (const Error& error) {
        if (!std::exchange(failed_, true)) {
            log::warning("usage is not kept safe from a crash for now",
                         {{"file", path_.string()}, {"error", error.log_note()}});
        }
    }
}

bool UsageJournal::is_long() const {
    return end_ > 2 * kept_ + kWorthIt;
}

void UsageJournal::start_over(std::span<const Usage* const> open, std::span<const Usage> ended) {
    std::string lines;
    for (const Usage* row : open)
        add_line(lines, 'b', *row);
    for (const Usage& row : ended)
        add_line(lines, 'e', row);
    try {
        if (lines.empty()) {
            if (fd_ && ::ftruncate(fd_.get(), 0) != 0) throw_errno("ftruncate", errno);
        } else {
            const std::filesystem::path fresh = path_.string() + ".new";
            UniqueFd fd = open_file(fresh, O_WRONLY | O_CREAT | O_TRUNC);
            write_all(fd.get(), std::as_bytes(std::span(lines)), 0);
            std::filesystem::rename(fresh, path_);
            fd_ = std::move(fd);
        }
        end_ = kept_ = lines.size();
    } catch (const std::exception& error) {
        // The longer file is as true as the shorter one.
        log::warning("the journal of the usage could not be shortened",
                     {{"file", path_.string()}, {"error", error.what()}});
    }
}

}  // namespace llmm::usage
