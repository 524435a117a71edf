// swift-tools-version: 6.1
import PackageDescription

// Only SwiftNIO: the client speaks to a server, and needs neither wav2vec2's libraries nor LibTorch. (Foundation's
// URLSessionWebSocketTask needs a libcurl with WebSockets, which Debian 12 does not have.)
let package = Package(
    name: "Realtime",
    platforms: [.macOS(.v14)],
    dependencies: [.package(url: "https://github.com/apple/swift-nio", from: "2.101.0")],
    targets: [
        .executableTarget(
            name: "Realtime",
            dependencies: ["NIOCore", "NIOPosix", "NIOHTTP1", "NIOWebSocket"].map {
                .product(name: $0, package: "swift-nio")
            })
    ]
)
