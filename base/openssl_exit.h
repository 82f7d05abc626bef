#pragma once

namespace belfry {

// Has OpenSSL free nothing when the process ends by exit(): threads of gRPC may still close
// connections then, and crashed when what they use was gone. The system takes the memory back.
// Thread-safe; has no effect after the first use of OpenSSL in the process, so it comes first.
void KeepOpenSslAtExit();

}  // namespace belfry
