#include "base/async/ticker.hpp"

#include <optional>

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/steady_timer.hpp>

namespace llmm {

// One for each loop; lives in it. The timer runs only while somebody expects something.
class TickerService final : public asio::execution_context::service {
  public:
    using key_type = TickerService;
    static inline asio::execution_context::id id;

    explicit TickerService(asio::execution_context& context) : service(context) {}

    void add(Ticker& ticker) {
        ticker.next_ = first_;
        if (first_) first_->previous_ = &ticker;
        first_ = &ticker;
    }
    void remove(Ticker& ticker) {
        if (&ticker == cursor_) cursor_ = ticker.next_;
        (ticker.previous_ ? ticker.previous_->next_ : first_) = ticker.next_;
        if (ticker.next_) ticker.next_->previous_ = ticker.previous_;
    }
    void use(const asio::any_io_executor& executor) {
        if (!timer_) timer_.emplace(executor);
    }
    void ensure_running() {
        if (!running_ && timer_) next_round();
    }

  private:
    void shutdown() override { timer_.reset(); }

    void next_round() {
        running_ = true;
        timer_->expires_after(Ticker::kPrecision);
        timer_->async_wait([this](boost::system::error_code error) {
            if (!error) look();
        });
    }

    void look() {
        const auto now = Ticker::Clock::now();
        bool more = false;
        running_ = true;
        for (cursor_ = first_; cursor_;) {
            Ticker& ticker = *cursor_;
            cursor_ = ticker.next_;
            if (ticker.time_ <= now) {
                ticker.time_ = Ticker::Clock::time_point::max();
                more = true;  // on_time may expect something again
                ticker.on_time();
            } else {
                more = more || ticker.time_ != Ticker::Clock::time_point::max();
            }
        }
        running_ = false;
        if (more) ensure_running();
    }

    Ticker* first_ = nullptr;
    Ticker* cursor_ = nullptr;  // the next one of the round that goes on
    std::optional<asio::steady_timer> timer_;
    bool running_ = false;
};

namespace {

TickerService& service_of(const asio::any_io_executor& executor) {
    return asio::use_service<TickerService>(asio::query(executor, asio::execution::context));
}

}  // namespace

Ticker::Ticker(const asio::any_io_executor& executor) : service_(&service_of(executor)) {
    service_->add(*this);
    service_->use(executor);
}

Ticker::~Ticker() {
    service_->remove(*this);
}

void Ticker::expect_at(Clock::time_point time) {
    time_ = time;
    service_->ensure_running();
}

}  // namespace llmm
