#include "base/async/blocking_pool.hpp"

#include <pthread.h>

namespace llmm {

BlockingPool::BlockingPool(std::string name, std::size_t threads) : threads_(threads) {
    name.resize(std::min<std::size_t>(name.size(), 15));  // the kernel's limit (TASK_COMM_LEN)
    for (std::size_t i = 0; i < threads; ++i) {
        asio::post(threads_, [name] { pthread_setname_np(pthread_self(), name.c_str()); });
    }
}

BlockingPool::~BlockingPool() {
    join();
}

void BlockingPool::join() {
    threads_.join();
}

}  // namespace llmm
