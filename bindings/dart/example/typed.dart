// Accounts as objects of a class: a schema, typed fields, and transfers that happen whole or not at all.
import 'package:entidb/entidb.dart';

extension type AccountId(EntityId id) implements EntityId {}

final class Account {
  const Account(this.owner, this.balance);

  final String owner;
  final Decimal balance;

  static final schema = Schema<Account>(
    read: (map) => Account(map['owner']! as String, map['balance']! as Decimal),
    write: (account) => {'owner': account.owner, 'balance': account.balance},
  );
  static final byOwner = f<String>('owner');
}

void transfer(EntiDb db, AccountId from, AccountId to, String amount) {
  final sum = Decimal.parse(amount);
  db.transaction((tx) {
    final accounts = tx.typed('accounts', Account.schema);
    accounts
      ..update(from, Patch().increment('balance', Decimal(-sum.mantissa, sum.exponent)))
      ..update(to, Patch().increment('balance', sum));
    if (accounts[from]!.balance.mantissa.isNegative) throw StateError('${accounts[from]!.owner} has not enough');
  });
}

void main() {
  final db = EntiDb.openMemory();
  final accounts = db.typed('accounts', Account.schema)..createIndex(['owner'], unique: true);
  final ada = AccountId(accounts.put(Account('Ada', Decimal.parse('100.00'))));
  final alan = AccountId(accounts.put(Account('Alan', Decimal.parse('0.00'))));
  transfer(db, ada, alan, '19.90');
  try {
    transfer(db, alan, ada, '500');
  } on StateError catch (error) {
    print('${error.message}: nothing was moved');
  }
  for (final account in accounts.find(Account.byOwner.startsWith('A')).orderBy('owner')) {
    print('${account.value.owner}: ${account.value.balance}');
  }
  db.close();
}
