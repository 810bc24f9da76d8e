{
  "targets": [
    {
      "target_name": "thermocline",
      "sources": ["src/addon.cc"],
      "cflags_cc": ["-O2", "-std=c++17", "-fexceptions", "-frtti", "-Wall", "-Wextra", "-Wno-unused-parameter"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++20", "-std=gnu++17"],
      "libraries": ["-lrocksdb"]
    }
  ]
}
