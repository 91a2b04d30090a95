#include "storage/sql_splitter.hpp"

#include "base/error/error.hpp"

namespace llmm::storage {
namespace {

constexpr std::string_view kSpace = " \t\r\n\f\v";

[[noreturn]] void unfinished(std::string_view what) {
    throw Error(ErrorCode::internal, {"an SQL script is malformed", "SQL 脚本格式有误"})
        .with_log_note("unfinished " + std::string(what));
}

std::size_t end_of_quoted(std::string_view script, std::size_t at) {
    const std::size_t end = script.find(script[at], at + 1);
    if (end == std::string_view::npos) unfinished("quote");
    return end + 1;  // of a doubled quote the second half starts the next part, which gives the same text
}

std::size_t end_of_line_comment(std::string_view script, std::size_t at) {
    const std::size_t end = script.find('\n', at);
    return end == std::string_view::npos ? script.size() : end;
}

std::size_t end_of_block_comment(std::string_view script, std::size_t at) {
    int depth = 0;
    while (at + 1 < script.size()) {
        const std::string_view two = script.substr(at, 2);
        if (two == "/*") {
            ++depth;
            at += 2;
        } else if (two == "*/") {
            at += 2;
            if (--depth == 0) return at;
        } else {
            ++at;
        }
    }
    unfinished("comment");
}

}  // namespace

std::vector<std::string> split_statements(std::string_view script) {
    std::vector<std::string> statements;
    std::string current;
    const auto finish = [&] {
        const std::size_t first = current.find_first_not_of(kSpace);
        if (first != std::string::npos) {
            statements.push_back(current.substr(first, current.find_last_not_of(kSpace) - first + 1));
        }
        current.clear();
    };
    std::size_t at = 0;
    while (at < script.size()) {
        const char c = script[at];
        const std::string_view two = script.substr(at, 2);
        if (c == '\'' || c == '"') {
            const std::size_t end = end_of_quoted(script, at);
            current.append(script.substr(at, end - at));
            at = end;
        } else if (two == "--") {
            at = end_of_line_comment(script, at);
        } else if (two == "/*") {
            at = end_of_block_comment(script, at);
            current += ' ';
        } else if (c == ';') {
            finish();
            ++at;
        } else {
            current += c;
            ++at;
        }
    }
    finish();
    return statements;
}

}  // namespace llmm::storage
