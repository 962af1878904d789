#pragma once
#include <string>
#include "plan/plan.h"
namespace cella::plan { inline std::string to_text(const Plan&){return "";} inline std::string to_json(const Plan&){return "";} }
