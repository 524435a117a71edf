// swift-tools-version: 6.1
import PackageDescription

// In a package of your own: `.package(url: "…/wav2vec2", from: "0.2.0")`.
let version = Context.environment["WAV2VEC2_URL"].map { Package.Dependency.package(url: $0, from: "0.2.0") }
let wav2vec2 = Target.Dependency.product(name: "W2V", package: "wav2vec2")

let package = Package(
    name: "Features",
    dependencies: [version ?? .package(name: "wav2vec2", path: "../..")],
    targets: [
        .executableTarget(name: "Features", dependencies: [wav2vec2])
    ]
)
