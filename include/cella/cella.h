// Everything of libcella's C++ API.
#pragma once

#include <cella/config.h>
#include <cella/container.h>
#include <cella/error.h>
#include <cella/factory.h>
#include <cella/features.h>
#include <cella/lint.h>
#include <cella/notification.h>
#include <cella/process.h>
#include <cella/sandbox.h>
#include <cella/stats.h>
