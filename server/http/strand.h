#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

namespace belfry::http {

// A connection is one strand: everything about it runs there, one thing at a time.
using Strand = boost::asio::strand<boost::asio::io_context::executor_type>;

}  // namespace belfry::http
