#include "base/net/http_client.hpp"

#include "base/net/curl_loop.hpp"
#include "base/net/curl_transfer.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace llmm {

struct HttpClient::Impl {
    Impl(Options o, const UrlGuard& g) : options(std::move(o)), guard(g) {}

    Options options;
    const UrlGuard& guard;
    // Shared with the cancellation handlers of requests that ended when the client did but have not resumed yet.
    std::shared_ptr<CurlLoop> loop = std::make_shared<CurlLoop>();
};

namespace {

Task<HttpResponse> run(std::shared_ptr<CurlLoop> loop, std::shared_ptr<CurlTransfer> transfer) {
    return asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr, HttpResponse)>(
        [](auto handler, const std::shared_ptr<CurlLoop>& on, std::shared_ptr<CurlTransfer> what) {
            auto home = asio::make_work_guard(asio::get_associated_executor(handler));
            auto slot = asio::get_associated_cancellation_slot(handler);
            if (slot.is_connected()) {
                slot.assign([where = std::weak_ptr(on), target = std::weak_ptr(what)](asio::cancellation_type) {
                    const auto running = target.lock();
                    const auto there = where.lock();
                    if (running && there) there->cancel(running);
                });
            }
            what->set_done([handler = std::move(handler), home = std::move(home), slot](std::exception_ptr error,
                                                                                        HttpResponse response) mutable {
                const auto executor = home.get_executor();
                asio::post(executor, [handler = std::move(handler), home = std::move(home), slot,
                                      error = std::move(error), response = std::move(response)]() mutable {
                    if (slot.is_connected()) slot.clear();
                    handler(std::move(error), std::move(response));
                });
            });
            on->start(std::move(what));
        },
        asio::use_awaitable, std::move(loop), std::move(transfer));
}

}  // namespace

HttpClient::HttpClient(Options options, const UrlGuard& guard)
    : impl_(std::make_unique<Impl>(std::move(options), guard)) {}

HttpClient::~HttpClient() {
    impl_->loop->stop();
}

Task<HttpResponse> HttpClient::fetch(HttpRequest request) {
    co_return co_await run(impl_->loop, std::make_shared<CurlTransfer>(std::move(request), impl_->options, impl_->guard,
                                                                       nullptr, impl_->loop->executor()));
}

Task<HttpResponse> HttpClient::stream(HttpRequest request, BodySink& sink) {
    co_return co_await run(impl_->loop, std::make_shared<CurlTransfer>(std::move(request), impl_->options, impl_->guard,
                                                                       &sink, impl_->loop->executor()));
}

}  // namespace llmm
