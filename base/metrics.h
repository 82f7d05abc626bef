#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace belfry {

// Counts something that only grows. Thread-safe.
class Counter {
 public:
  virtual ~Counter() = default;
  virtual void Add(std::uint64_t amount) = 0;
  void Increment() { Add(1); }
  virtual std::uint64_t Value() const = 0;
};

// Something that goes up and down. Thread-safe.
class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void Add(std::int64_t amount) = 0;
  virtual std::int64_t Value() const = 0;
};

using MetricLabels = std::map<std::string, std::string>;

// The server's counters and gauges, by name. Thread-safe. What it returns lives as long as it does,
// unless it is dropped; asking twice for the same name and labels gives the same object.
class Metrics {
 public:
  virtual ~Metrics() = default;
  virtual Counter& GetCounter(std::string_view name, std::string_view help,
                              const MetricLabels& labels = {}) = 0;
  virtual Gauge& GetGauge(std::string_view name, std::string_view help,
                          const MetricLabels& labels = {}) = 0;
  // Forgets all that has this label with this value, as what a mount has counted when the mount
  // goes. Nobody may use them any more.
  virtual void Drop(std::string_view label, std::string_view value) = 0;
  // The Prometheus text exposition format, version 0.0.4.
  virtual std::string PrometheusText() const = 0;
};

std::unique_ptr<Metrics> NewMetrics();

}  // namespace belfry
