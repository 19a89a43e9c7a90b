// What the C++ tests share: lines of the Test Anything Protocol.
//
// Always: a failing check says where, and ends the program with status 1 at the end.
#ifndef ENTIDB_TEST_CHECK_HPP
#define ENTIDB_TEST_CHECK_HPP

#include <cstdio>
#include <entidb.hpp>

inline int checks = 0, failures = 0;

inline void check(const char* claim, bool holds, int line) {
    checks++;
    if (!holds) failures++;
    std::printf("%sok %d - %s (line %d)\n", holds ? "" : "not ", checks, claim, line);
}

#define CHECK(claim, condition) check(claim, static_cast<bool>(condition), __LINE__)

inline int finish() {
    std::printf("1..%d\n", checks);
    return failures == 0 ? 0 : 1;
}

/// The code of the error a body throws; 0 when it throws none.
template <class Body>
entidb_status thrown(Body&& body) {
    try {
        body();
    } catch (const entidb::Error& error) {
        return error.code();
    }
    return ENTIDB_OK;
}

#endif
