import socket

import sqlalchemy


def test_kafka_answers_where_the_fixture_says(kafka_bootstrap):
    host, port = kafka_bootstrap.rsplit(":", 1)
    with socket.create_connection((host.rsplit("/", 1)[-1], int(port)), timeout=5):
        pass


def test_a_test_has_an_empty_database_of_its_own(database_url):
    engine = sqlalchemy.create_engine(database_url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        assert sqlalchemy.inspect(connection).get_table_names() == []
        connection.exec_driver_sql("CREATE TABLE here (n INTEGER)")
    engine.dispose()


test_the_next_one_does_not_see_what_another_made = test_a_test_has_an_empty_database_of_its_own


def test_prefixes_are_not_shared(topic_prefix, request):
    assert topic_prefix.isalnum()
    assert topic_prefix != request.getfixturevalue("run_folder").name
