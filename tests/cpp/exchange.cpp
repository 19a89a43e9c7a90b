// Writes a database for the other languages and reads those they wrote.
//
// Format: tests/conformance/README.md, "Databases of other languages".
#include "run.hpp"

/// Takes the steps of one part in a folder and gives their transcript.
static std::string take(const std::string& part, const Json& steps, const fs::path& folder, const Json& variant) {
    std::string transcript;
    Run run(folder, variant.find("options"));
    std::size_t position = 0;
    for (const Json& step : steps.at(part.c_str()).items) {
        transcript += part + " " + std::to_string(++position) + " " + run.step(step) + "\n";
    }
    run.close();
    return transcript;
}

/// Whether two transcripts are equal; says the first line that is not.
static bool same(const std::string& found, const std::string& expected) {
    std::istringstream one(found), two(expected);
    for (std::string left, right; found != expected;) {
        const bool more = static_cast<bool>(std::getline(one, left));
        if (!std::getline(two, right) || !more || left != right) {
            std::printf("# found    %s\n# expected %s\n", left.c_str(), right.c_str());
            return false;
        }
    }
    return true;
}

int main() {
    const char* root = std::getenv("ENTIDB_ROOT");
    const char* to = std::getenv("ENTIDB_TRANSCRIPTS");
    const fs::path files = fs::path(root == nullptr ? "." : root) / "tests" / "conformance" / "exchange";
    const Json steps = JsonReader(text_of(files / "steps.json")).document();
    const std::string expected = text_of(files / "expected.txt");
    const auto split = expected.find("read ");
    Scratch scratch("exchange-cpp-" + std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()));
    const fs::path exchange = (to == nullptr ? scratch.path : fs::path(to)) / "exchange";
    const fs::path databases = exchange / "databases";
    fs::remove_all(databases / "cpp");
    fs::create_directories(databases / "cpp");
    const auto& variants = steps.at("variants").items;
    for (const Json& variant : variants) {
        const std::string& name = variant.at("name").text;
        CHECK(("C++ writes its " + name + " database").c_str(), same(take("write", steps, databases / "cpp" / name, variant), expected.substr(0, split)));
    }
    std::vector<std::string> writers;
    for (const auto& entry : fs::directory_iterator(databases)) writers.push_back(entry.path().filename().string());
    std::sort(writers.begin(), writers.end());
    for (const std::string& writer : writers) {
        for (const Json& variant : variants) {
            const std::string& name = variant.at("name").text;
            const fs::path place = scratch.path / (writer + "-" + name);
            bool holds = false;
            try {
                fs::create_directories(scratch.path);
                fs::copy(databases / writer / name, place, fs::copy_options::recursive);
                holds = same(take("read", steps, place, variant), expected.substr(split));
            } catch (const std::exception& error) {
                std::printf("# %s\n", error.what());
            }
            CHECK(("C++ reads the " + name + " database of " + writer).c_str(), holds);
        }
    }
    if (failures == 0) {
        std::ofstream read(exchange / "cpp.read", std::ios::binary);
        for (const std::string& writer : writers) read << writer << "\n";
    }
    return finish();
}
