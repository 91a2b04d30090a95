#include "integrations/clamav/clamd.hpp"

#include "base/async/race.hpp"
#include "base/async/signal.hpp"
#include "base/error/error.hpp"
#include "base/fs/file.hpp"
#include "base/log/log.hpp"
#include "base/text/parse_number.hpp"
#include "integrations/clamav/verdict.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>

namespace llmm::clamav {
namespace {

constexpr std::size_t kPieceBytes = 256 << 10;
constexpr std::uint64_t kOverlap = 256 << 10;
constexpr std::size_t kMaxAnswer = 4096;

std::optional<std::pair<std::string_view, std::string_view>> host_and_port(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
    if (!port || *port == 0) return std::nullopt;
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return std::pair(host, text.substr(colon + 1));
}

}  // namespace

struct Clamd::Connection {
    explicit Connection(asio::any_io_executor executor) : socket(std::move(executor)) {}

    Task<> write(std::vector<asio::const_buffer> buffers) {
        co_await asio::async_write(socket, std::move(buffers), asio::use_awaitable);
    }
    // Up to the zero byte that ends an answer, or the end of the stream.
    Task<> read_answer() {
        std::array<char, 512> buffer;
        while (!answer.contains('\0') && answer.size() < kMaxAnswer) {
            const std::size_t n = co_await socket.async_read_some(asio::buffer(buffer), asio::use_awaitable);
            answer.append(buffer.data(), n);
        }
    }

    asio::generic::stream_protocol::socket socket;
    std::string answer;
};

bool Clamd::is_address(std::string_view text) {
    return text.starts_with('/') ? text.size() < 108 : host_and_port(text).has_value();
}

Task<> Clamd::in_time(Task<> step) const {
    if (co_await race(std::move(step), sleep_for(options_.patience)) == 1) throw unavailable("no answer in time");
}

Task<> Clamd::connect(Connection& connection) {
    const auto executor = co_await asio::this_coro::executor;
    if (options_.address.starts_with('/')) {
        co_await connection.socket.async_connect(asio::local::stream_protocol::endpoint(options_.address),
                                                 asio::use_awaitable);
        co_return;
    }
    const auto [host, port] = host_and_port(options_.address).value();
    asio::ip::tcp::resolver resolver(executor);
    const auto found = co_await resolver.async_resolve(host, port, asio::use_awaitable);
    std::vector<asio::generic::stream_protocol::endpoint> endpoints;
    for (const auto& entry : found)
        endpoints.emplace_back(entry.endpoint());
    co_await asio::async_connect(connection.socket, endpoints, asio::use_awaitable);
}

Task<> Clamd::send_part(Connection& connection, int file, std::uint64_t begin, std::uint64_t end) {
    static constexpr std::string_view kCommand("zINSTREAM\0", 10);
    co_await in_time(connection.write({asio::buffer(kCommand)}));
    std::vector<std::byte> piece(kPieceBytes);
    std::array<unsigned char, 4> length{};
    while (begin < end) {
        const auto wanted = std::span(piece).first(std::min<std::uint64_t>(piece.size(), end - begin));
        const std::size_t n = co_await files_.run([file, wanted, begin] { return read_at(file, wanted, begin); });
        if (n == 0) break;
        for (std::size_t i = 0; i < length.size(); ++i)
            length[i] = static_cast<unsigned char>(n >> (8 * (length.size() - 1 - i)));
        co_await in_time(connection.write({asio::buffer(length), asio::buffer(piece.data(), n)}));
        begin += n;
    }
    length.fill(0);
    co_await in_time(connection.write({asio::buffer(length)}));
}

Task<std::optional<std::string>> Clamd::scan_part(int file, std::uint64_t begin, std::uint64_t end) {
    Connection connection(co_await asio::this_coro::executor);
    std::string problem;
    try {
        co_await in_time(connect(connection));
        co_await send_part(connection, file, begin, end);
    } catch (const boost::system::system_error& error) {
        if (error.code() == asio::error::operation_aborted) throw;
        problem = error.what();
    }
    // Who stops listening in the middle of a file has said why.
    try {
        if (connection.socket.is_open()) co_await in_time(connection.read_answer());
    } catch (const boost::system::system_error& error) {
        if (error.code() == asio::error::operation_aborted) throw;
        if (problem.empty()) problem = error.what();
    }
    if (connection.answer.empty()) throw unavailable(problem.empty() ? "an empty answer" : problem);
    co_return read_verdict(connection.answer);
}

Task<std::optional<std::string>> Clamd::scan_file(File file) {
    const UniqueFd fd = co_await files_.run([&file] { return open_file(file.path, O_RDONLY | O_NOFOLLOW); });
    for (std::uint64_t begin = 0;; begin += options_.part_bytes - kOverlap) {
        const std::uint64_t end = std::min(file.size, begin + options_.part_bytes);
        if (auto found = co_await scan_part(fd.get(), begin, end)) co_return found;
        if (end == file.size) co_return std::nullopt;
    }
}

Task<std::optional<Clamd::Finding>> Clamd::scan(std::vector<File> files) {
    try {
        for (std::size_t i = 0; i < files.size(); ++i) {
            if (auto found = co_await scan_file(files[i])) co_return Finding{i, *std::move(found)};
        }
    } catch (const Error& error) {
        if (error.code() != ErrorCode::scan_unavailable || !options_.may_be_away) throw;
        log::warning("files are kept without a scan for viruses", {{"reason", error.message().en}});
    }
    co_return std::nullopt;
}

}  // namespace llmm::clamav
