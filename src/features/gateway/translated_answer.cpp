#include "features/gateway/translated_answer.hpp"

#include "features/chat/sse_parser.hpp"

#include <vector>

namespace llmm::gateway {

Task<UpstreamResponse> ask_translated(GatewayService& gateway, Seat& seat, const Translated& asked,
                                      GatewayService::Tell tell) {
    UpstreamResponse response = co_await gateway.ask(seat, asked.target, with_model(asked.body, seat.lease.model()),
                                                     asked.stream, std::move(tell));
    if (response.status() == 200) co_return response;
    const int status = response.status();
    const std::string message = refusal_message(status, co_await response.read_all());
    throw Error(status == 400 ? ErrorCode::validation_failed : ErrorCode::engine_failed, Text{message, message});
}

Task<WholeAnswer> read_whole(GatewayService& gateway, UpstreamResponse response, RequestTicket& ticket) {
    WholeAnswer answer{.body = co_await response.read_all(gateway.limits().max_answer), .tokens = {}};
    AnswerScan scan;
    scan.feed(answer.body);
    answer.tokens = scan.tokens();
    ticket.note(answer.tokens);
    co_return answer;
}

Task<TokenCounts> pass_translated(UpstreamResponse response, http::Exchange& exchange, RequestTicket& ticket,
                                  std::function<std::string(const Delta&)> in_dialect) {
    chat::SseParser parser;
    AnswerScan scan;
    bool done = false;
    while (const auto piece = co_await response.read_some()) {
        std::vector<chat::SseEvent> events;
        parser.feed(*piece, events);
        std::string out;
        for (const auto& event : events) {
            done = done || event.data == "[DONE]";
            if (done) break;
            scan.feed(event.data);
            out += in_dialect(read_delta(event.data));
        }
        ticket.note(scan.tokens());
        if (!out.empty()) {
            ticket.note_first_token();
            co_await exchange.write(out);
        }
    }
    if (done) co_return scan.tokens();
    fail(ErrorCode::engine_failed, "the engine broke off", "引擎中断了响应");
}

}  // namespace llmm::gateway
