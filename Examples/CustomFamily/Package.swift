// swift-tools-version: 6.1
import PackageDescription

// In a package of your own: `.package(url: "…/wav2vec2", from: "0.2.0")`.
let version = Context.environment["WAV2VEC2_URL"].map { Package.Dependency.package(url: $0, from: "0.2.0") }

let package = Package(
    name: "CustomFamily",
    dependencies: [version ?? .package(name: "wav2vec2", path: "../..")],
    targets: [
        .executableTarget(
            name: "CustomFamily",
            dependencies: ["W2VInterchange", "W2VObjectives", "W2VBackbone", "W2VTorch"].map {
                .product(name: $0, package: "wav2vec2")
            })
    ]
)
