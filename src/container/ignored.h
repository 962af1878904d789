// What a container was asked to be and will not be, where the specification lets a runtime go on: a property or a
// capability that is not known, what this host or this user cannot have.
//
// Whoever ignores something makes a Finding of it, whose pointer names the field of config.json, and hands it on. Here,
// and nowhere else, is decided what becomes of it: with FactoryOptions::strict an error, else a warning.
#pragma once

#include <vector>

#include <cella/factory.h>

namespace cella::container {

// kUnsupported with all of them when strict and there are any.
Result<void> settle(const FactoryOptions& options, std::vector<Finding> ignored);

// For what is refused anyway: when strict, the error tells of what would have been ignored, too.
Error with_ignored(const FactoryOptions& options, Error error, std::vector<Finding> ignored);

}  // namespace cella::container
