#include "features/downloads/file_writer.hpp"

#include "integrations/formats/file_type.hpp"

#include <array>

#include <fmt/format.h>

namespace llmm::downloads {

FileWriter::FileWriter(BlockingPool& pool, BlockPool& blocks, const PlannedFile& file, std::filesystem::path part)
    : blocks_(blocks), file_(file), path_(std::move(part)), queue_(pool), sync_queue_(pool) {}

Task<ByteRanges> FileWriter::open() {
    co_return co_await queue_.run([this] {
        const std::string identity =
            fmt::format("{} {} {}", file_.path, file_.size.value_or(0), file_.sha256 ? file_.sha256->hex() : "");
        part_ = std::make_unique<PartFile>(path_, file_.size, identity);
        failed_ = false;
        failure_ = nullptr;
        beginning_checked_ = false;
        hashed_ = part_->digest() ? file_.size.value_or(0) : part_->hashed();
        if (!part_->digest()) hash_on();
        return part_->have();
    });
}

void FileWriter::put(Block block) {
    if (block.size == 0) {
        blocks_.give_back(std::move(block));
        return;
    }
    queue_.post([this, block = std::move(block)]() mutable { write(std::move(block)); });
}

void FileWriter::write(Block block) {
    try {
        if (!has_failed()) {
            part_->write(block.offset, block.data());
            hashed_ = part_->hashed();
            corrected_ = part_->corrected();
            check_beginning();
            make_durable_now_and_then();
        }
    } catch (...) {
        fail_with(std::current_exception());
    }
    blocks_.give_back(std::move(block));
    if (!has_failed()) hash_on();
}

// A few MB at a time, so that blocks that come meanwhile are not kept waiting.
void FileWriter::hash_on() {
    if (hashing_on_ || part_->have().run_end(part_->hashed()) == part_->hashed()) return;
    hashing_on_ = true;
    queue_.post([this] {
        hashing_on_ = false;
        if (!part_ || has_failed()) return;
        try {
            const bool more = part_->hash_some();
            hashed_ = part_->hashed();
            if (more) hash_on();
        } catch (...) {
            fail_with(std::current_exception());
        }
    });
}

void FileWriter::check_beginning() {
    const std::uint64_t there = part_->have().run_end(0);
    if (beginning_checked_ || there < formats::kSniffBytes) return;
    beginning_checked_ = true;
    check_first_bytes(there);
}

void FileWriter::check_first_bytes(std::uint64_t there) const {
    std::array<std::byte, formats::kSniffBytes> bytes;
    const auto wanted = std::span(bytes).first(std::min<std::uint64_t>(there, bytes.size()));
    const std::size_t n = read_at(part_->descriptor(), wanted, 0);
    const auto problem = formats::check_first_bytes(file_.path, std::span(bytes).first(n));
    if (problem) throw Error(problem->code, problem->message);
}

void FileWriter::make_durable_now_and_then() {
    if (!part_->wants_durable(std::chrono::steady_clock::now()) || syncing_.exchange(true)) return;
    sync_queue_.post([this, durable = part_->begin_durable()] {
        try {
            durable.sync();
        } catch (...) {
            fail_with(std::current_exception());  // what a failed sync has lost, nobody knows
        }
        syncing_ = false;
    });
}

void FileWriter::fail_with(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(error);
    failed_.store(true, std::memory_order_release);
}

std::exception_ptr FileWriter::failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
}

Task<ByteRanges> FileWriter::have() {
    co_return co_await queue_.run([this] { return part_->have(); });
}

Task<Sha256> FileWriter::finish(std::uint64_t size) {
    co_return co_await queue_.run([this, size] {
        if (const auto error = failure()) std::rethrow_exception(error);
        const Sha256 digest = part_->finish(size);
        check_first_bytes(size);  // of a short file only now
        hashed_ = size;
        return digest;
    });
}

Task<std::size_t> FileWriter::recheck() {
    co_return co_await queue_.run([this] {
        const std::size_t dropped = part_->recheck();
        hashed_ = part_->hashed();
        return dropped;
    });
}

Task<> FileWriter::restart() {
    co_await queue_.run([this] {
        part_->restart();
        hashed_ = 0;
    });
}

Task<bool> FileWriter::matches_git_sha1(std::string expected, std::uint64_t size) {
    co_return co_await queue_.run([this, size, expected = std::move(expected)] {
        std::vector<std::byte> content(size);
        content.resize(read_at(part_->descriptor(), content, 0));
        return git_blob_sha1(content) == expected;
    });
}

Task<> FileWriter::close() {
    const auto part = co_await queue_.run([this] {
        std::unique_ptr<PartFile> last = std::move(part_);
        if (!last) return last;
        try {
            last->write_journal();
        } catch (const Error&) {
            // The disk is full: the journal knows less, and what it doesn't know is fetched again.
        }
        return last;
    });
    // A job that hashes on may still stand in the queue, and a sync may still run.
    co_await queue_.run([] {});
    co_await sync_queue_.run([] {});
}

}  // namespace llmm::downloads
