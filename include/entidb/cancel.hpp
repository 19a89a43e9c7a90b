// Tokens in C++ that end calls before they are done: cancelled from any thread, or over at a deadline.
//
// Always: a thread leaves a token at the end of the block it entered it in. Does not know: what calls do about it.
#ifndef ENTIDB_CANCEL_HPP
#define ENTIDB_CANCEL_HPP

#include <chrono>

#include "document.hpp"

namespace entidb {

/// A token that ends calls before they finish. Calls of a thread that has entered it throw CANCELLED, or TIMEOUT
/// after a deadline, within 10 ms, and have changed nothing. Any number of threads may enter it.
///
///     entidb::Cancel deadline(std::chrono::milliseconds(50));
///     auto entered = deadline.enter();
///     auto count = notes.find(entidb::field("text").contains("needle")).count();
class Cancel {
  public:
    /// Without a deadline.
    Cancel() : Cancel(ENTIDB_NO_LIMIT) {}
    /// Sets a deadline, counted from now.
    explicit Cancel(std::chrono::milliseconds timeout)
        : Cancel(timeout.count() > 0 ? static_cast<std::uint64_t>(timeout.count()) : 0) {}

    /// Ends the current and later calls of every thread that has entered it. Any thread may call it, more than once.
    void cancel() const noexcept { entidb_cancel_cancel(cancel_.get()); }
    /// Throws if the token is cancelled or past its deadline.
    void check() const {
        detail::call([&](auto error) { return entidb_cancel_check(cancel_.get(), error); });
    }

    /// Keeps this thread in the token until the end of the block. It must not outlive the token.
    class Entered {
      public:
        Entered(const Entered&) = delete;
        Entered& operator=(const Entered&) = delete;
        ~Entered() { entidb_cancel_leave(cancel_, nullptr); }

      private:
        friend class Cancel;
        explicit Entered(const entidb_cancel* cancel) : cancel_(cancel) {
            detail::call([&](auto error) { return entidb_cancel_enter(cancel_, error); });
        }

        const entidb_cancel* cancel_;
    };

    /// Makes the token apply to calls of this thread, as long as the returned object lives.
    [[nodiscard]] Entered enter() const { return Entered(cancel_.get()); }

  private:
    explicit Cancel(std::uint64_t timeout_ms) : cancel_(made(timeout_ms)) {}

    static entidb_cancel* made(std::uint64_t timeout_ms) {
        entidb_cancel* cancel = nullptr;
        detail::call([&](auto error) { return entidb_cancel_new(timeout_ms, &cancel, error); });
        return cancel;
    }

    detail::Owned<entidb_cancel, entidb_cancel_free> cancel_;
};

}  // namespace entidb

#endif
