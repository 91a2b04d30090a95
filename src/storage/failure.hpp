#pragma once
#include "base/error/error.hpp"

namespace soci {
class soci_error;
}

namespace llmm::storage {

// What a driver's error means for the one who called it.
enum class Failure {
    none,
    unique_violation,
    foreign_key_violation,
    serialization,  // deadlock or serialization failure: the transaction may run again
    busy,           // a lock or a statement took too long
    disk_full,
    connection_lost,
    other,
};

Failure classify(const soci::soci_error& error);
// The one place where a driver's error becomes ours. The driver's text, without the values of parameters, is in the log note.
Error to_error(Failure failure, const soci::soci_error& error);

}  // namespace llmm::storage
