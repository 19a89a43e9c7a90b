// Runs the conformance cases in C++ and compares the transcript with the one every language must write; and checks
// that documents are encoded as the vectors say.
//
// Format: tests/conformance/README.md.
#include "run.hpp"

/// The transcript of all cases.
static std::string cases(const fs::path& folder) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() == ".json") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    std::string transcript;
    std::size_t number = 0;
    for (const auto& file : files) {
        Json parsed = JsonReader(text_of(file)).document();
        for (const Json& test : parsed.at("cases").items) {
            number++;
            Scratch folder("conformance-cpp-" + std::to_string(number));
            Run run(test.is("disk") ? folder.path : fs::path(), test.find("options"));
            bool holds = true;
            std::size_t position = 0;
            for (const Json& step : test.at("steps").items) {
                std::string result = run.step(step);
                transcript += std::to_string(number) + " " + std::to_string(++position) + " " + result + "\n";
                const Json* expected = step.find("expect");
                if (expected != nullptr && expected->text != result) {
                    holds = false;
                    std::printf("# step %zu: expected %s, found %s\n", position, expected->text.c_str(), result.c_str());
                }
            }
            run.close();
            CHECK(test.at("name").text.c_str(), holds);
        }
    }
    CHECK("at least 150 cases were run", number >= 150);
    return transcript;
}

/// Every value of the vectors has its bytes, and reads as what it is.
static void vectors(const fs::path& folder) {
    std::size_t right = 0, wrong = 0;
    Json written = JsonReader(text_of(folder / "values.json")).document();
    for (const Json& vector : written.at("vectors").items) {
        const std::string& wanted = vector.at("cbor").text;
        bool holds = hex(value(vector.at("value")).encode()) == wanted;
        ByteVector bytes = unhex(wanted);
        holds = holds && thrown([&] { entidb::View whole{entidb::Bytes(bytes)}; }) == ENTIDB_OK;
        if (!holds) std::printf("# %s\n", wanted.c_str());
        (holds ? right : wrong)++;
    }
    CHECK("every value of the vectors is written as its bytes", wrong == 0 && right > 100);
    right = wrong = 0;
    Json refused = JsonReader(text_of(folder / "must_refuse.json")).document();
    for (const Json& vector : refused.at("vectors").items) {
        ByteVector bytes = unhex(vector.at("cbor").text);
        bool holds = thrown([&] { Value::encoded(bytes).encode(); }) >= ENTIDB_ERROR_TRUNCATED;
        if (!holds) std::printf("# %s is not refused\n", vector.at("name").text.c_str());
        (holds ? right : wrong)++;
    }
    CHECK("everything that must be refused is", wrong == 0 && right > 20);
}

int main() {
    const char* root = std::getenv("ENTIDB_ROOT");
    fs::path tests = fs::path(root == nullptr ? "." : root) / "tests";
    vectors(tests / "vectors");
    std::string transcript = cases(tests / "conformance");
    if (const char* to = std::getenv("ENTIDB_TRANSCRIPTS")) {
        fs::create_directories(to);
        std::ofstream(fs::path(to) / "cpp.txt", std::ios::binary) << transcript;
    }
    CHECK("the transcript is the one every language writes", transcript == text_of(tests / "conformance" / "expected.txt"));
    return finish();
}
