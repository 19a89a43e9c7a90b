/// Keys and passwords.
///
/// Always: nothing of them is in an error or in a text. Does not know: what they open.
library;

import 'dart:typed_data';

import 'argument.dart';
import 'encode.dart';
import 'raw.dart';

/// What opens an encrypted database: a key of 32 bytes, or a password.
final class DatabaseKey {
  /// A key of 32 bytes.
  DatabaseKey.bytes(Uint8List key) : raw = (bytes: key, isPassword: false) {
    if (key.length != 32) {
      throw refused('a key has 32 bytes, not ${key.length}');
    }
  }

  /// A password.
  DatabaseKey.password(String password) : raw = (bytes: textBytes(password), isPassword: true) {
    if (password.isEmpty) throw refused('a password must have at least one character');
  }

  /// What crosses to the native half.
  final RawKey raw;

  @override
  String toString() => raw.isPassword ? 'a password' : 'a key';
}
